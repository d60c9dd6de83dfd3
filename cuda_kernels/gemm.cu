// gemm.cu: batched matrix products C = act(A·B + bias) of operands with any strides, see igemm.cuh. 2·M·N·K FLOPs a
// product; each block reads (TILE_M + TILE_N)·K elements. The grid is one-dimensional: tiles along n, then along m, then
// parts of k, then products.
//
//   gemm   writes C (batch, M, N), or its parts, one array for each part of k, which reduce_splits.cu sums
//
// Macros: those of igemm.cuh.
#include "igemm.cuh"

#define BATCH_AXES 4

struct GemmShape {
    int rows, columns, depth;
    int a_row, a_inner, b_inner, b_column;  // strides, in elements
    FastDiv batch[BATCH_AXES];              // the axes that are left after merging, 1 where there are fewer
    int a_batch[BATCH_AXES], b_batch[BATCH_AXES];
    int64 part;  // elements of one part
    int activate;
};

struct GemmStore {
    Epilogue epilogue;
    int rows, columns;
    int64 first;
    DEVICE void operator()(int m, int n, const Sums& sums) const {
        if (m < rows) epilogue.store(first + int64(m) * columns + n, n, columns - n, sums);
    }
};

KERNEL(THREADS, BLOCKS)
gemm(STRIDED(const TYPE) a, STRIDED(const TYPE) b, GLOBAL(const TYPE) bias, VECTOR(TYPE) out, VECTOR(SUM) partial,
     GemmShape shape, Tiles tiles) {
    const Tile tile(tiles, shape.depth);
    int a_first = 0, b_first = 0;
    int rest = tile.batch;
    UNROLL
    for (int axis = BATCH_AXES - 1; axis >= 0; axis--) {
        int index;
        rest = shape.batch[axis].divide(rest, index);
        a_first += index * shape.a_batch[axis];
        b_first += index * shape.b_batch[axis];
    }
    const Matrix<WIDTH_A> left = {a,           a_first,       shape.rows,        shape.depth,
                         shape.a_row, shape.a_inner, shape.a_inner == 1};
    const Matrix<WIDTH_B> right = {b,              b_first,       shape.columns,      shape.depth,
                          shape.b_column, shape.b_inner, shape.b_column != 1};
    const int64 product = int64(tile.batch) * shape.rows * shape.columns;
    const GemmStore store = {{out, partial, bias, shape.activate != 0, shape.columns % 4 == 0}, shape.rows, shape.columns,
                             product + tile.split * shape.part};
    igemm(left, right, store, tile.m, tile.n, tile.first, tile.last);
}
