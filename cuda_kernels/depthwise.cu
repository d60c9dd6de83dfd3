// depthwise.cu: convolution of each channel by itself and its two adjoints. Channels-last x (batch, *spatial, channels),
// filters (taps, channels · multiplier), y and g (batch, *places, channels · multiplier); output channel o belongs to the
// input channel o / multiplier. Memory-bound: 2·taps FLOPs an element of y; neighbouring threads take neighbouring
// channels, so all accesses coalesce, and the windows' overlap is left to the cache.
//
//   depthwise          y = act(Σ over taps of x · w + bias); a thread computes WIDTH channels at one place
//   depthwise_input    dx = Σ over the places and taps that meet it of g · w; a thread as above
//   depthwise_weight   parts of dw = Σ over places of x · g; a block of 32 output channels × 8 threads sums a part of the
//                      places for one tap; reduce_splits.cu adds the parts in order
//
// Macros: TYPE, SUM to accumulate in, RANK (spatial axes: 2 or 3), WIDTH: 4 where the multiplier is 1 and channels come in
// multiples of 4, else 1.
#include "common.cuh"

typedef Vector<TYPE, WIDTH> Piece;

#define LANES 32
#define ROWS 8

struct DepthwiseShape {
    FastDiv places[RANK];    // of the result y
    FastDiv positions[RANK]; // of x
    FastDiv taps[RANK], strides[RANK];
    int low[RANK], dilation[RANK];
    FastDiv pieces;      // of the channels that threads share: x's for depthwise_input, y's for the others
    FastDiv multiplier;
    int channels, columns;  // of x and y
    int place_count;        // of all images' places
    int activate;
};

// Splits an index into images and the places of each axis.
DEVICE int unravel(int index, const FastDiv (&sizes)[RANK], int (&at)[RANK]) {
    UNROLL
    for (int axis = RANK - 1; axis >= 0; axis--) index = sizes[axis].divide(index, at[axis]);
    return index;
}

KERNEL(256)
depthwise(VECTOR(const TYPE) x, VECTOR(const TYPE) w, GLOBAL(const TYPE) bias, VECTOR(TYPE) y, DepthwiseShape shape,
          int count) {
    const int64 i = thread_index();
    if (i >= count) return;
    int piece, at[RANK], unused;
    const int place = shape.pieces.divide(int(i), piece);
    const int image = unravel(place, shape.places, at);
    const int column = piece * WIDTH, channel = shape.multiplier.divide(column, unused);
    SUM sums[WIDTH];
    UNROLL
    for (int j = 0; j < WIDTH; j++) sums[j] = bias ? SUM(bias[column + j]) : SUM(0);
    int taps = 1;
    UNROLL
    for (int axis = 0; axis < RANK; axis++) taps *= shape.taps[axis].divisor;
    for (int t = 0; t < taps; t++) {
        int tap[RANK], position = image;
        bool inside = true;
        unravel(t, shape.taps, tap);
        UNROLL
        for (int axis = 0; axis < RANK; axis++) {
            const int size = shape.positions[axis].divisor;
            const int p = at[axis] * shape.strides[axis].divisor + tap[axis] * shape.dilation[axis] - shape.low[axis];
            inside = inside && uint32(p) < uint32(size);
            position = position * size + p;
        }
        if (!inside) continue;
        const Piece a = load_vector<WIDTH>(x + (position * shape.channels + channel));
        const Piece b = load_vector<WIDTH>(w + (t * shape.columns + column));
        UNROLL
        for (int j = 0; j < WIDTH; j++) sums[j] += SUM(a[j]) * SUM(b[j]);
    }
    Piece result;
    UNROLL
    for (int j = 0; j < WIDTH; j++) result[j] = TYPE(shape.activate ? relu(sums[j]) : sums[j]);
    store_vector(y + i * WIDTH, result);
}

KERNEL(256)
depthwise_input(VECTOR(const TYPE) g, VECTOR(const TYPE) w, VECTOR(TYPE) dx, DepthwiseShape shape, int count) {
    const int64 i = thread_index();
    if (i >= count) return;
    int piece, at[RANK];
    const int position = shape.pieces.divide(int(i), piece);
    const int image = unravel(position, shape.positions, at);
    const int channel = piece * WIDTH, multiplier = shape.multiplier.divisor;
    SUM sums[WIDTH];
    UNROLL
    for (int j = 0; j < WIDTH; j++) sums[j] = SUM(0);
    int taps = 1;
    UNROLL
    for (int axis = 0; axis < RANK; axis++) taps *= shape.taps[axis].divisor;
    for (int t = 0; t < taps; t++) {
        int tap[RANK], place = image;
        bool inside = true;
        unravel(t, shape.taps, tap);
        UNROLL
        for (int axis = 0; axis < RANK; axis++) {
            // The place p with p·stride + tap·dilation − low = position, if there is one.
            const int size = shape.places[axis].divisor;
            const int distance = at[axis] + shape.low[axis] - tap[axis] * shape.dilation[axis];
            int rest = 0;
            const int p = distance < 0 ? -1 : shape.strides[axis].divide(distance, rest);
            inside = inside && rest == 0 && uint32(p) < uint32(size);
            place = place * size + p;
        }
        if (!inside) continue;
        for (int m = 0; m < multiplier; m++) {
            const int column = channel * multiplier + m;
            const Piece a = load_vector<WIDTH>(g + (place * shape.columns + column));
            const Piece b = load_vector<WIDTH>(w + (t * shape.columns + column));
            UNROLL
            for (int j = 0; j < WIDTH; j++) sums[j] += SUM(a[j]) * SUM(b[j]);
        }
    }
    Piece result;
    UNROLL
    for (int j = 0; j < WIDTH; j++) result[j] = TYPE(sums[j]);
    store_vector(dx + i * WIDTH, result);
}

// blockIdx.x is a tile of channels, blockIdx.y a part of the places, blockIdx.z a tap.
KERNEL(LANES * ROWS)
depthwise_weight(GLOBAL(const TYPE) x, GLOBAL(const TYPE) g, GLOBAL(SUM) parts, DepthwiseShape shape, int depth) {
    SHARED(SUM, sums, LANES * ROWS);
    const int lane = threadIdx.x % LANES, row = threadIdx.x / LANES;
    const int column = blockIdx.x * LANES + lane, t = blockIdx.z;
    int tap[RANK], unused;
    unravel(t, shape.taps, tap);
    const int channel = shape.multiplier.divide(column, unused);
    const int last = min(shape.place_count, (int(blockIdx.y) + 1) * depth);
    SUM sum = SUM(0);
    for (int place = blockIdx.y * depth + row; place < last && column < shape.columns; place += ROWS) {
        int at[RANK];
        int position = unravel(place, shape.places, at);
        bool inside = true;
        UNROLL
        for (int axis = 0; axis < RANK; axis++) {
            const int size = shape.positions[axis].divisor;
            const int p = at[axis] * shape.strides[axis].divisor + tap[axis] * shape.dilation[axis] - shape.low[axis];
            inside = inside && uint32(p) < uint32(size);
            position = position * size + p;
        }
        if (inside) sum += SUM(x[position * shape.channels + channel]) * SUM(g[place * shape.columns + column]);
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    UNROLL
    for (int half = ROWS / 2; half > 0; half /= 2) {
        if (row < half) sums[threadIdx.x] += SUM(sums[threadIdx.x + half * LANES]);
        __syncthreads();
    }
    if (row == 0 && column < shape.columns)
        parts[(int64(blockIdx.y) * gridDim.z + t) * shape.columns + column] = sums[lane];
}
