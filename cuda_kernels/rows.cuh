// rows.cuh: rows of a matrix, or of any axis of an array, that their threads hold in registers.
//
// A row is `size` elements, `inner` apart; row r begins at (r / inner)·size·inner + r mod inner. `lanes` threads share a
// row; each takes ITEMS elements at a time, neighbours of 16 bytes where the row allows it. Neighbouring threads lie along
// the row, or across neighbouring rows (`across`) where these are neighbours in memory. What the threads of a row find is
// combined in an order that depends on the shape alone.
//
// Macros: TYPE, the type of the arrays.
#pragma once
#include "common.cuh"

typedef Accumulator<TYPE>::type REAL;

#define WIDTH int(16 / sizeof(TYPE))
#define ITEMS int(64 / sizeof(REAL))
#define THREADS 256
#define WARP 32

struct Rows {
    int count, size;
    FastDiv inner;
    int lane_bits;  // log2 of the threads of a row
    int across;     // whether neighbouring threads take neighbouring rows
    int chunks;     // steps of lanes·ITEMS elements through a row
    int wide;       // whether neighbours of 16 bytes move together
};

// This thread's part of its row, and how it meets the others of the row.
struct Part {
    int lanes, lane;
    int row;      // of all rows
    int first;    // the row's first element
    int step;     // between its elements
    int size;     // its elements, 0 where there is no such row
    int partial;  // where the row's first partial result is in shared memory,
    int stride;   // how far the others are,
    int partials; // and how many there are
    DEVICE Part(const Rows& rows) {
        lanes = 1 << rows.lane_bits;
        const int height = THREADS >> rows.lane_bits;
        const int place = rows.across ? threadIdx.x & (height - 1) : threadIdx.x >> rows.lane_bits;
        lane = rows.across ? threadIdx.x / height : threadIdx.x & (lanes - 1);
        row = blockIdx.x * height + place;
        int within;
        const int outer = rows.inner.divide(row, within);
        step = rows.inner.divisor;
        first = outer * rows.size * step + within;
        size = row < rows.count ? rows.size : 0;
        partial = rows.across ? place : place * lanes / WARP;
        stride = rows.across ? height : 1;
        partials = rows.across ? lanes : lanes / WARP;
    }
    // The place in the row of item i of a chunk.
    DEVICE int place(int chunk, int i, int width) const {
        return ((chunk * (ITEMS / width) + i / width) * lanes + lane) * width + i % width;
    }
    DEVICE int address(int place) const { return first + place * step; }
};

struct Sum {
    static DEVICE REAL merge(REAL a, REAL b) { return a + b; }
};

// Combines one value of each thread of a row; all of them get the result. Every thread of the block takes part.
template <class Operation>
DEVICE REAL combine(const Part& part, const Rows& rows, REAL value, SHARED_POINTER(REAL) scratch) {
    if (!rows.across) {
        for (int step = min(part.lanes, WARP) / 2; step > 0; step /= 2)
            value = Operation::merge(value, __shfl_xor_sync(0xffffffffu, value, step));
        if (part.lanes <= WARP) return value;
    }
    __syncthreads();  // the last use of scratch is over
    if (rows.across)
        scratch[threadIdx.x] = value;
    else if (threadIdx.x % WARP == 0)
        scratch[threadIdx.x / WARP] = value;
    __syncthreads();
    value = scratch[part.partial];
    for (int i = 1; i < part.partials; i++) value = Operation::merge(value, scratch[part.partial + i * part.stride]);
    return value;
}

// One chunk of a row; `missing` stands for elements beyond its end.
template <int COUNT>
DEVICE void load(REAL (&items)[ITEMS], GLOBAL(const TYPE) x, const Part& part, int chunk, REAL missing) {
    UNROLL
    for (int i = 0; i < ITEMS; i += COUNT) {
        const int place = part.place(chunk, i, COUNT);
        if (place < part.size) {
            const Vector<TYPE, COUNT> value = load_vector<COUNT>(x + part.address(place));
            UNROLL
            for (int j = 0; j < COUNT; j++) items[i + j] = REAL(value[j]);
        } else {
            UNROLL
            for (int j = 0; j < COUNT; j++) items[i + j] = missing;
        }
    }
}

template <int COUNT>
DEVICE void store(GLOBAL(TYPE) out, const REAL (&items)[ITEMS], const Part& part, int chunk) {
    UNROLL
    for (int i = 0; i < ITEMS; i += COUNT) {
        const int place = part.place(chunk, i, COUNT);
        if (place < part.size) {
            Vector<TYPE, COUNT> value;
            UNROLL
            for (int j = 0; j < COUNT; j++) value[j] = TYPE(items[i + j]);
            store_vector(out + part.address(place), value);
        }
    }
}
