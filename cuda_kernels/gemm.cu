// gemm.cu: batched matrix products C = act(A·B + bias) of operands with any strides, see igemm.cuh. 2·M·N·K FLOPs a
// product; each block reads (TILE_M + TILE_N)·K elements. The grid is one-dimensional: tiles along n, then along m, then
// parts of k, then products.
//
//   gemm   writes C (batch, M, N), or its parts, one array for each part of k, which reduce_splits.cu sums. With `origins`,
//          `means` and `squares`, each tile of a single product also leaves the moments of its columns (see moments.cuh), in which
//          neither bias nor activation counts.
//
// Macros: those of igemm.cuh.
#include "moments.cuh"

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
    const GemmShape& shape;
    int batch, split;
    DEVICE void operator()(int m, int n, const Sums& sums) const {
        const int64 row = int64(batch) * shape.rows + m;
        if (m < shape.rows) epilogue.store(split * shape.part + row * shape.columns + n, n, shape.columns - n, sums);
    }
};

// origins, means and squares: (tiles along m, N), or null.
KERNEL(THREADS, BLOCKS)
gemm(STRIDED(const TYPE) a, STRIDED(const TYPE) b, GLOBAL(const TYPE) bias, VECTOR(TYPE) out, VECTOR(SUM) partial,
     GLOBAL(SUM) origins, GLOBAL(SUM) means, GLOBAL(SUM) squares, GemmShape shape, Tiles tiles) {
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
    const GemmStore store = {{out, partial, bias, shape.activate != 0, shape.columns % 4 == 0}, shape, tile.batch, tile.split};
    igemm_with_moments(left, right, store, {origins, means, squares, shape.columns, 0}, tile, shape.rows, shape.columns);
}
