// moments.cuh: products that leave the mean and Σ (y − mean)² of each column of a tile over its rows, of which batch_norm.cu
// makes the statistics of a batch: passes over registers, and no further one over memory.
//
// A tile counts from its first row, its origin, and leaves the mean's distance from there, so that a mean far from zero costs
// no digits. Columns are added up where the tiles of A were, in the order of the rows.
//
// Macros: those of igemm.cuh.
#pragma once
#include "igemm.cuh"

// The rows of a tile's threads, one above the other, each with all columns of the tile.
#define THREAD_ROWS (TILE_M / MICRO_M)
static_assert(THREAD_ROWS * TILE_N <= ROOM_A && TILE_N <= THREADS, "columns are summed where the tiles of A were");

// Takes the first row of the tile from all; thread n returns what it was in column n.
DEVICE SUM count_from_first(Sums (&sums)[MICRO_M][MICRO_N / 4], SHARED_POINTER(SUM) room) {
    __syncthreads();
    if (threadIdx.x < TILE_N / MICRO_N) {
        UNROLL
        for (int j = 0; j < MICRO_N; j++) room[QUAD_N(j / 4) + j % 4] = sums[0][j / 4][j % 4];
    }
    __syncthreads();
    UNROLL
    for (int j = 0; j < MICRO_N; j++) {
        const SUM first = room[QUAD_N(j / 4) + j % 4];
        UNROLL
        for (int i = 0; i < MICRO_M; i++) sums[i][j / 4][j % 4] -= first;
    }
    SUM own = SUM(0);
    if (threadIdx.x < TILE_N) own = room[threadIdx.x];
    __syncthreads();
    return own;
}

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

// Where the moments go, or null: a row for each tile along m, `columns` long, in which the product's begin at `first`.
struct Moments {
    GLOBAL(SUM) origins;
    GLOBAL(SUM) means;
    GLOBAL(SUM) squares;
    int columns, first;
};

// The tile of a product of `rows` rows and `columns` columns, and its moments where they are wanted.
template <class A, class B, class Store>
DEVICE void igemm_with_moments(const A& a, const B& b, const Store& store, const Moments& moments, const Tile& tile,
                               int rows, int columns) {
    SHARED(SUM, a_tiles, ROOM_A);
    SHARED(SUM, b_tiles, ROOM_B);
    Sums sums[MICRO_M][MICRO_N / 4];
    accumulate(a, b, tile.m, tile.n, tile.first, tile.last, a_tiles + 0, b_tiles + 0, sums);
    deliver(store, tile.m, tile.n, sums);
    if (!moments.origins) return;
    const SUM origin = count_from_first(sums, a_tiles + 0);
    SUM mean, squares;
    column_moments(sums, min(TILE_M, rows - tile.m), a_tiles + 0, mean, squares);
    const int column = tile.n + threadIdx.x;
    if (threadIdx.x >= TILE_N || column >= columns) return;
    const int place = tile.m / TILE_M * moments.columns + moments.first + column;
    moments.origins[place] = origin;
    moments.means[place] = mean;
    moments.squares[place] = squares;
}
