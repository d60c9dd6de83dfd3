// igemm.cuh: the tile core under matrix products and convolutions, C[m, n] = Σ_k A(m, k)·B(k, n), where A and B are
// operands that say where an element is, or that it is a zero. A block computes TILE_M × TILE_N sums, each thread
// MICRO_M × MICRO_N of them in registers. Tiles of depth TILE_K go through two shared buffers, so that one is filled while
// the other is multiplied, with one barrier a step. `multiply` is the only part that knows how sums are made.
//
// An operand has
//   Coordinate outer(int m or n), Coordinate inner(int k)   the parts of an element's address, and whether it exists
//   Piece fetch(Coordinate outer, Coordinate inner)         WIDTH neighbours, zeros where there is no element
//   bool along_inner                                        whether neighbours in memory are neighbours in k
//
// Macros: TYPE of the arrays, SUM to accumulate in, TILE_M, TILE_N, TILE_K, MICRO_M, MICRO_N (multiples of 4), WIDTH_A and
// WIDTH_B of the operands' pieces: 4, or 1 where neighbours come in numbers that are not multiples of 4.
#pragma once
#include "common.cuh"

#define THREADS (TILE_M / MICRO_M * (TILE_N / MICRO_N))
// Blocks for which a multiprocessor of 64 Ki registers has 128 a thread.
#define BLOCKS (512 / THREADS)
// Longer stretches of the inner loop do not fit into them.
#define DEPTH_UNROLL ((sizeof(SUM) == 4 ? 512 : 256) / (MICRO_M * MICRO_N * int(sizeof(SUM))))
// Four more than the tile, so that a warp that stores a column of pieces hits different banks.
#define ROW_A (TILE_M + 4)
#define ROW_B (TILE_N + 4)

typedef Vector<SUM, 4> Sums;

template <int WIDTH>
DEVICE Vector<TYPE, WIDTH> zeros() {
    Vector<TYPE, WIDTH> piece;
    UNROLL
    for (int j = 0; j < WIDTH; j++) piece[j] = TYPE(0.0f);
    return piece;
}

// A matrix in memory.
template <int WIDTH_>
struct Matrix {
    static const int WIDTH = WIDTH_;
    struct Coordinate {
        int offset;
        bool inside;
    };
    GLOBAL(const TYPE) data;
    int first;
    int outer_size, inner_size;
    int outer_stride, inner_stride;
    bool along_inner;

    DEVICE Coordinate outer(int i) const { return {first + i * outer_stride, i < outer_size}; }
    DEVICE Coordinate inner(int k) const { return {k * inner_stride, k < inner_size}; }
    DEVICE Vector<TYPE, WIDTH> fetch(const Coordinate& a, const Coordinate& b) const {
        return a.inside && b.inside ? load_vector<WIDTH>(data + (a.offset + b.offset)) : zeros<WIDTH>();
    }
};

// The share of a thread in moving tiles of one operand to shared memory.
template <int EXTENT, int ROW, class Operand>
struct Stage {
    static const int WIDTH = Operand::WIDTH;
    static const int PIECES = EXTENT * TILE_K / (WIDTH * THREADS);
    static_assert(PIECES * WIDTH * THREADS == EXTENT * TILE_K, "the threads share a tile evenly");
    typename Operand::Coordinate outer[PIECES];
    Vector<TYPE, WIDTH> pieces[PIECES];

    // The place of this thread's piece i in the tile: neighbouring threads take neighbours in memory.
    DEVICE static void place(int i, bool along_inner, int& e, int& k) {
        const int piece = threadIdx.x + i * THREADS;
        e = along_inner ? piece / (TILE_K / WIDTH) : piece % (EXTENT / WIDTH) * WIDTH;
        k = along_inner ? piece % (TILE_K / WIDTH) * WIDTH : piece / (EXTENT / WIDTH);
    }

    DEVICE void start(const Operand& operand, int first) {
        UNROLL
        for (int i = 0; i < PIECES; i++) {
            int e, k;
            place(i, operand.along_inner, e, k);
            outer[i] = operand.outer(first + e);
        }
    }

    DEVICE void fetch(const Operand& operand, int first) {
        UNROLL
        for (int i = 0; i < PIECES; i++) {
            int e, k;
            place(i, operand.along_inner, e, k);
            pieces[i] = operand.fetch(outer[i], operand.inner(first + k));
        }
    }

    DEVICE void put(const Operand& operand, SHARED_POINTER(SUM) tile) const {
        UNROLL
        for (int i = 0; i < PIECES; i++) {
            int e, k;
            place(i, operand.along_inner, e, k);
            if (operand.along_inner) {
                UNROLL
                for (int j = 0; j < WIDTH; j++) tile[(k + j) * ROW + e] = SUM(pieces[i][j]);
            } else {
                Vector<SUM, WIDTH> values;
                UNROLL
                for (int j = 0; j < WIDTH; j++) values[j] = SUM(pieces[i][j]);
                store_vector(tile + (k * ROW + e), values);
            }
        }
    }
};

// The row or column, within a tile, of the quads of sums that a thread holds: the quads of neighbouring threads are
// neighbours, so that a warp reads shared memory without conflicts.
#define QUAD_M(quad) ((quad) * (TILE_M / (MICRO_M / 4)) + threadIdx.x / (TILE_N / MICRO_N) * 4)
#define QUAD_N(quad) ((quad) * (TILE_N / (MICRO_N / 4)) + threadIdx.x % (TILE_N / MICRO_N) * 4)

DEVICE void multiply(SHARED_POINTER(SUM) a, SHARED_POINTER(SUM) b, Sums (&sums)[MICRO_M][MICRO_N / 4]) {
#pragma unroll DEPTH_UNROLL
    for (int k = 0; k < TILE_K; k++) {
        Sums rows[MICRO_M / 4], columns[MICRO_N / 4];
        UNROLL
        for (int i = 0; i < MICRO_M / 4; i++) rows[i] = load_vector<4>(a + (k * ROW_A + QUAD_M(i)));
        UNROLL
        for (int j = 0; j < MICRO_N / 4; j++) columns[j] = load_vector<4>(b + (k * ROW_B + QUAD_N(j)));
        UNROLL
        for (int i = 0; i < MICRO_M; i++) {
            UNROLL
            for (int j = 0; j < MICRO_N; j++) sums[i][j / 4][j % 4] += rows[i / 4][i % 4] * columns[j / 4][j % 4];
        }
    }
}

// Elements of shared memory for the tiles of A and B.
#define ROOM_A (2 * TILE_K * ROW_A)
#define ROOM_B (2 * TILE_K * ROW_B)

// This thread's sums of the tile at (m, n), over k from `first` to `last`.
template <class A, class B>
DEVICE void accumulate(const A& a, const B& b, int m, int n, int first, int last, SHARED_POINTER(SUM) a_tiles,
                       SHARED_POINTER(SUM) b_tiles, Sums (&sums)[MICRO_M][MICRO_N / 4]) {
    Stage<TILE_M, ROW_A, A> a_stage;
    Stage<TILE_N, ROW_B, B> b_stage;
    a_stage.start(a, m);
    b_stage.start(b, n);
    UNROLL
    for (int i = 0; i < MICRO_M; i++) {
        UNROLL
        for (int j = 0; j < MICRO_N; j++) sums[i][j / 4][j % 4] = SUM(0);
    }
    int buffer = 0;
    if (first < last) {
        a_stage.fetch(a, first);
        b_stage.fetch(b, first);
        a_stage.put(a, a_tiles + 0);
        b_stage.put(b, b_tiles + 0);
    }
    __syncthreads();
    for (int k = first; k < last; k += TILE_K) {
        const bool more = k + TILE_K < last;
        if (more) {
            a_stage.fetch(a, k + TILE_K);
            b_stage.fetch(b, k + TILE_K);
        }
        multiply(a_tiles + buffer * (TILE_K * ROW_A), b_tiles + buffer * (TILE_K * ROW_B), sums);
        if (more) {
            buffer ^= 1;
            a_stage.put(a, a_tiles + buffer * (TILE_K * ROW_A));
            b_stage.put(b, b_tiles + buffer * (TILE_K * ROW_B));
            __syncthreads();
        }
    }
}

// Hands this thread's sums to `store(m, n, four sums along n)`.
template <class Store>
DEVICE void deliver(const Store& store, int m, int n, const Sums (&sums)[MICRO_M][MICRO_N / 4]) {
    UNROLL
    for (int i = 0; i < MICRO_M; i++) {
        UNROLL
        for (int j = 0; j < MICRO_N / 4; j++) store(m + QUAD_M(i / 4) + i % 4, n + QUAD_N(j), sums[i][j]);
    }
}

// The tile at (m, n), over k from `first` to `last`.
template <class A, class B, class Store>
DEVICE void igemm(const A& a, const B& b, const Store& store, int m, int n, int first, int last) {
    SHARED(SUM, a_tiles, ROOM_A);
    SHARED(SUM, b_tiles, ROOM_B);
    Sums sums[MICRO_M][MICRO_N / 4];
    accumulate(a, b, m, n, first, last, a_tiles + 0, b_tiles + 0, sums);
    deliver(store, m, n, sums);
}

// Which tile of which product a block computes. Tiles of one row follow one another, and share the operand A.
struct Tiles {
    FastDiv columns;  // tiles along n
    FastDiv rows;     // and along m
    FastDiv splits;   // parts of k
    int depth;        // of a part, a multiple of TILE_K
};

struct Tile {
    int m, n, first, last, split, batch;
    DEVICE Tile(const Tiles& tiles, int depth) {
        int column, row;
        batch = tiles.splits.divide(tiles.rows.divide(tiles.columns.divide(blockIdx.x, column), row), split);
        m = row * TILE_M;
        n = column * TILE_N;
        first = split * tiles.depth;
        last = min(depth, first + tiles.depth);
    }
};

// Writes four sums: to `partial` as they are where k is split, else to `out` with bias and ReLU. Whole quads move at once
// where rows are multiples of four.
struct Epilogue {
    GLOBAL(TYPE) out;
    GLOBAL(SUM) partial;
    GLOBAL(const TYPE) bias;
    bool activate, wide;

    DEVICE void store(int64 offset, int column, int count, const Sums& sums) const {
        if (partial) {
            put(partial + offset, count, sums);
            return;
        }
        Vector<TYPE, 4> values;
        UNROLL
        for (int j = 0; j < 4; j++) {
            SUM value = sums[j];
            if (bias && j < count) value += SUM(bias[column + j]);
            values[j] = TYPE(activate ? relu(value) : value);
        }
        put(out + offset, count, values);
    }

    template <class Pointer, class Value>
    DEVICE void put(Pointer target, int count, const Value& values) const {
        if (wide) {
            if (count > 0) store_vector(target, values);
            return;
        }
        UNROLL
        for (int j = 0; j < 4; j++)
            if (j < count) target[j] = values[j];
    }
};
