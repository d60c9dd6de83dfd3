// conv.cu: convolution and its adjoint in the input, as implicit products (see gather.cuh): rows are places of the result,
// columns its channels, the inner dimension is the window's taps times the channels that are summed. Channels-last,
// filters (*window, in / groups, out). 2·rows·columns·inner FLOPs a group. The grid is one-dimensional: tiles along the
// channels, then along the places, then parts of the inner dimension, then groups.
//
//   conv   out = act(Σ windows of x · w + bias), or its parts, which reduce_splits.cu sums. Convolution gathers from the
//          input with strides. The adjoint gathers from the gradient without, one launch for each phase of the strides:
//          the places h with (h + low) mod stride = phase see only some of the taps.
//          With `means` and `squares`, each tile also leaves the mean and Σ (y − mean)² of its columns over its rows,
//          of which batch_norm.cu makes the statistics of a batch: two passes over registers, and no further one over
//          memory. Neither bias nor activation counts in the squares; the bias is in the mean.
//
// Macros: those of gather.cuh.
#include "gather.cuh"

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

// The rows of a tile's threads, one above the other, each with all columns of the tile.
#define THREAD_ROWS (TILE_M / MICRO_M)
static_assert(THREAD_ROWS * TILE_N <= ROOM_A && TILE_N <= THREADS, "columns are summed where the tiles of A were");

// Adds up each column's part of every thread row, in order: thread n returns the sum of column n times `factor`, and leaves
// it in room[n].
DEVICE SUM column_sum(SHARED_POINTER(SUM) room, SUM factor) {
    const int column = threadIdx.x;
    SUM sum = SUM(0);
    __syncthreads();
    if (column < TILE_N) {
        for (int r = 0; r < THREAD_ROWS; r++) sum += room[r * TILE_N + column];
        sum *= factor;
        room[column] = sum;
    }
    __syncthreads();
    return sum;
}

// The mean and Σ (y − mean)² of column n of the tile over its `rows` rows, for thread n.
DEVICE void column_moments(const Sums (&sums)[MICRO_M][MICRO_N / 4], int rows, SHARED_POINTER(SUM) room, SUM& mean,
                           SUM& squares) {
    const int own = threadIdx.x / (TILE_N / MICRO_N) * TILE_N;  // this thread's row of the room
    __syncthreads();
    UNROLL
    for (int j = 0; j < MICRO_N; j++) {
        SUM sum = SUM(0);
        UNROLL
        for (int i = 0; i < MICRO_M; i++) sum += QUAD_M(i / 4) + i % 4 < rows ? sums[i][j / 4][j % 4] : SUM(0);
        room[own + QUAD_N(j / 4) + j % 4] = sum;
    }
    mean = column_sum(room, SUM(1) / SUM(rows));
    SUM centres[MICRO_N];
    UNROLL
    for (int j = 0; j < MICRO_N; j++) centres[j] = room[QUAD_N(j / 4) + j % 4];
    __syncthreads();
    UNROLL
    for (int j = 0; j < MICRO_N; j++) {
        SUM sum = SUM(0);
        UNROLL
        for (int i = 0; i < MICRO_M; i++) {
            const SUM difference = QUAD_M(i / 4) + i % 4 < rows ? sums[i][j / 4][j % 4] - centres[j] : SUM(0);
            sum += difference * difference;
        }
        room[own + QUAD_N(j / 4) + j % 4] = sum;
    }
    squares = column_sum(room, SUM(1));
}

// means and squares: (tiles along the places, the result's channels), or null.
KERNEL(THREADS, BLOCKS)
conv(VECTOR(const TYPE) x, VECTOR(const TYPE) w, GLOBAL(const TYPE) bias, VECTOR(TYPE) out, VECTOR(SUM) partial,
     GLOBAL(SUM) means, GLOBAL(SUM) squares, GatherShape from, FilterShape filter, PlaceShape to, Tiles tiles,
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
    SHARED(SUM, a_tiles, ROOM_A);
    SHARED(SUM, b_tiles, ROOM_B);
    Sums sums[MICRO_M][MICRO_N / 4];
    accumulate(windows, taps, tile.m, tile.n, tile.first, tile.last, a_tiles + 0, b_tiles + 0, sums);
    deliver(store, tile.m, tile.n, sums);
    if (!means) return;
    SUM mean, square;
    column_moments(sums, min(TILE_M, from.place_count - tile.m), a_tiles + 0, mean, square);
    const int column = tile.n + threadIdx.x;
    if (threadIdx.x >= TILE_N || column >= filter.columns) return;
    const int channel = store.first_column + column;
    const int place = tile.m / TILE_M * to.steps[RANK - 1] + channel;  // the last step is the result's channels
    means[place] = bias ? mean + SUM(bias[channel]) : mean;
    squares[place] = square;
}
