// scatter.cu: sums of the rows that go to the same place, in a fixed order and without atomics.
//
//   scatter_sum   out[targets[s] + column] = Σ g[order[i], column] over the run of equal targets that begins at s
//
// targets are sorted, with the rows of g they came from in `order` (see sort.cu), so that equal ones lie side by side.
// Memory-bound: sizeof(TYPE) bytes an element of g, and as much for each place. Index map: a block looks at one position s
// and leaves unless a run begins there; it takes every gridDim.y-th piece of 256/lanes columns, whose lanes take every
// lanes-th row of the run and are added as a tree. Places that no row goes to are not written.
//
// Macros: TYPE, the type of g and out; PARTIAL, the type to add in.
#include "common.cuh"

#define THREADS 256
#define MAX_RANK 6

// The columns: axes that are not indexed, with their strides in elements in `out` and in a row of `g`.
struct ScatterLayout {
    FastDiv sizes[MAX_RANK];
    int64 out_strides[MAX_RANK];
    int64 g_strides[MAX_RANK];
    int rank;
    int columns;
    int rows;
    int log_lanes;
    FastDiv row_sizes[MAX_RANK];  // the axes of the index arrays in `g`
    int64 row_strides[MAX_RANK];
    int row_rank;
};

typedef PARTIAL VALUE;

DEVICE int64 row_offset(const ScatterLayout& layout, int row) {
    int64 offset = 0;
    for (int axis = layout.row_rank - 1; axis >= 0; axis--) {
        int index;
        row = layout.row_sizes[axis].divide(row, index);
        offset += index * layout.row_strides[axis];
    }
    return offset;
}

KERNEL(THREADS) scatter_sum(STRIDED(const TYPE) g, GLOBAL(const int) targets, GLOBAL(const int) order,
                            STRIDED(TYPE) out, ScatterLayout layout) {
    SHARED(VALUE, values, THREADS);
    const int first = blockIdx.x, target = targets[first];
    if (first > 0 && targets[first - 1] == target) return;
    const int thread = threadIdx.x, lanes = 1 << layout.log_lanes, width = THREADS / lanes, lane = thread / width;
    for (int piece = blockIdx.y * width; piece < layout.columns; piece += gridDim.y * width) {
        const int column = piece + thread % width;
        int64 out_at = target, g_at = 0;
        int rest = column;
        for (int axis = layout.rank - 1; axis >= 0; axis--) {
            int index;
            rest = layout.sizes[axis].divide(rest, index);
            out_at += index * layout.out_strides[axis];
            g_at += index * layout.g_strides[axis];
        }
        VALUE sum = VALUE(0);
        if (column < layout.columns)
            for (int i = first + lane; i < layout.rows && targets[i] == target; i += lanes)
                sum += VALUE(g[g_at + row_offset(layout, order[i])]);
        __syncthreads();
        values[thread] = sum;
        for (int step = lanes / 2; step > 0; step /= 2) {
            __syncthreads();
            if (lane < step) values[thread] = VALUE(values[thread]) + VALUE(values[thread + step * width]);
        }
        if (lane == 0 && column < layout.columns) out[out_at] = convert<TYPE>(VALUE(values[thread]));
    }
}
