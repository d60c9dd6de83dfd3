// conv.cu: convolution and its adjoint in the input, as implicit products (see gather.cuh): rows are places of the result,
// columns its channels, the inner dimension is the window's taps times the channels that are summed. Channels-last,
// filters (*window, in / groups, out). 2·rows·columns·inner FLOPs a group. The grid is one-dimensional: tiles along the
// channels, then along the places, then parts of the inner dimension, then groups.
//
//   conv   out = act(Σ windows of x · w + bias), or its parts, which reduce_splits.cu sums. Convolution gathers from the
//          input with strides. The adjoint gathers from the gradient without, one launch for each phase of the strides:
//          the places h with (h + low) mod stride = phase see only some of the taps.
//          With `origins`, `means` and `squares`, each tile also leaves the moments of its columns (see moments.cuh), in which
//          neither bias nor activation counts.
//
// Macros: those of gather.cuh.
#include "gather.cuh"
#include "moments.cuh"

struct FilterShape {
    int first, taps[RANK];        // the element of the first tap, and the steps between taps
    int channel, column, columns; // strides of the channel that is summed and of the result's; the number of the latter
    int group;                    // elements from a group to the next
};

// The filter as (taps and channels, columns).
struct Filter {
    static const int WIDTH = WIDTH_B;
    struct Coordinate {
        int offset;
        bool inside;
    };
    GLOBAL(const TYPE) data;
    const FilterShape& shape;
    const GatherShape& window;
    int first;
    bool along_inner;

    DEVICE Coordinate outer(int n) const { return {first + n * shape.column, n < shape.columns}; }
    DEVICE Coordinate inner(int k) const {
        int channel, tap;
        int rest = window.channels.divide(k, channel);
        int offset = shape.first + channel * shape.channel;
        UNROLL
        for (int axis = RANK - 1; axis >= 0; axis--) {
            rest = window.taps[axis].divide(rest, tap);
            offset += tap * shape.taps[axis];
        }
        return {offset, k < window.tap_count};
    }
    DEVICE Vector<TYPE, WIDTH> fetch(const Coordinate& a, const Coordinate& b) const {
        return a.inside && b.inside ? load_vector<WIDTH>(data + (a.offset + b.offset)) : zeros<WIDTH>();
    }
};

// Where the places are in the result, in elements.
struct PlaceShape {
    int first, steps[RANK], image;
    int part;  // elements of the whole result
    int activate;
};

struct ConvStore {
    Epilogue epilogue;
    const PlaceShape& to;
    const GatherShape& from;
    int columns, first_column;
    int64 first;

    DEVICE void operator()(int m, int n, const Sums& sums) const {
        if (m >= from.place_count) return;
        int64 offset = first + first_column + n;
        int rest = m;
        UNROLL
        for (int axis = RANK - 1; axis >= 0; axis--) {
            int p;
            rest = from.places[axis].divide(rest, p);
            offset += p * to.steps[axis];
        }
        epilogue.store(offset + int64(rest) * to.image, first_column + n, columns - n, sums);
    }
};

// origins, means and squares: (tiles along the places, the result's channels), or null.
KERNEL(THREADS, BLOCKS)
conv(VECTOR(const TYPE) x, VECTOR(const TYPE) w, GLOBAL(const TYPE) bias, VECTOR(TYPE) out, VECTOR(SUM) partial,
     GLOBAL(SUM) origins, GLOBAL(SUM) means, GLOBAL(SUM) squares, GatherShape from, FilterShape filter, PlaceShape to, Tiles tiles,
     int channels) {
    const Tile tile(tiles, from.tap_count);
    const int group = tile.batch;
    const Gather<true> windows = {x, from, group * channels};
    const Filter taps = {w, filter, from, group * filter.group, filter.column != 1};
    const ConvStore store = {{out, partial, bias, to.activate != 0, filter.columns % 4 == 0},
                             to,
                             from,
                             filter.columns,
                             group * filter.columns,
                             to.first + int64(tile.split) * to.part};
    const Moments moments = {origins, means, squares, to.steps[RANK - 1], group * filter.columns};  // that step is all channels
    igemm_with_moments(windows, taps, store, moments, tile, from.place_count, filter.columns);
}
