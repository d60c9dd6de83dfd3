// conv_weight.cu: the adjoint of convolution in the filter, as an implicit product (see gather.cuh): rows are the window's
// taps times a group's input channels, columns its output channels, the inner dimension is all places of the result. That
// is long, so it is cut into parts, a function of the shape, which reduce_splits.cu sums in order: no atomics, the same
// bits in every run. The grid is one-dimensional: tiles along the output channels, then along the rows, then parts, then
// groups.
//
//   conv_weight   out (taps, in / groups, out) = Σ over places of (window of x)ᵀ · g, or its parts
//
// Macros: those of gather.cuh.
#include "gather.cuh"

struct WeightStore {
    Epilogue epilogue;
    int rows, columns, row, first_column;
    int64 first;
    DEVICE void operator()(int m, int n, const Sums& sums) const {
        if (m < rows) epilogue.store(first + int64(m) * row + first_column + n, n, columns - n, sums);
    }
};

KERNEL(THREADS, BLOCKS)
conv_weight(VECTOR(const TYPE) x, VECTOR(const TYPE) g, GLOBAL(const TYPE) bias, VECTOR(TYPE) out, VECTOR(SUM) partial, GatherShape from,
            Tiles tiles, int channels, int columns, int row, int part) {
    const Tile tile(tiles, from.place_count);
    const int group = tile.batch;
    const Gather<false> windows = {x, from, group * channels};
    const Matrix<WIDTH_B> gradient = {g, group * columns, columns, from.place_count, 1, row, false};
    const WeightStore store = {{out, partial, bias, false, columns % 4 == 0}, from.tap_count, columns, row,
                               group * columns, int64(tile.split) * part};
    igemm(windows, gradient, store, tile.m, tile.n, tile.first, tile.last);
}
