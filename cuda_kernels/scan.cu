// scan.cu: cumulative sums and products. Memory-bound: 2·sizeof(TYPE) bytes an element.
//
//   scan_sum, scan_prod   out[o, i, n] = x[o, 0, n] + … + x[o, i, n]
//
// x is contiguous (outer, size, inner). Index map: `lanes` threads of a block take a line (o, n); each has four neighbours of
// a tile of 4·lanes elements, the lanes' totals are scanned in shared memory, and the tile's total is carried to the next.
// One lane a line where the lines are many and side by side.
//
// Macros: TYPE.
#include "common.cuh"

#define THREADS 256

typedef TYPE VALUE;

struct Plus {
    DEVICE VALUE start() const { return VALUE(0); }
    DEVICE VALUE operator()(VALUE a, VALUE b) const { return a + b; }
};
struct Times {
    DEVICE VALUE start() const { return VALUE(1); }
    DEVICE VALUE operator()(VALUE a, VALUE b) const { return a * b; }
};

template <class Function>
DEVICE void scan(GLOBAL(const TYPE) x, GLOBAL(TYPE) out, int lines, int size, FastDiv inner, int log_lanes,
                 Function function) {
    SHARED(VALUE, totals, THREADS);
    const int thread = threadIdx.x, lanes = 1 << log_lanes, lane = thread % lanes;
    const int line = blockIdx.x * (THREADS / lanes) + thread / lanes;
    int column;
    const int row = inner.divide(line, column);
    const int64 base = int64(row) * size * inner.divisor + column;
    const int rest = line < lines ? size : 0;  // a line that does not exist has no elements
    VALUE carry = function.start();
    for (int first = 0; first < size; first += 4 * lanes) {
        VALUE sums[4], running = function.start();
        UNROLL
        for (int j = 0; j < 4; j++) {
            const int i = first + 4 * lane + j;
            if (i < rest) running = function(running, x[base + int64(i) * inner.divisor]);
            sums[j] = running;
        }
        totals[thread] = running;
        for (int step = 1; step < lanes; step *= 2) {
            __syncthreads();
            const VALUE before = lane >= step ? VALUE(totals[thread - step]) : function.start();
            __syncthreads();
            totals[thread] = function(before, VALUE(totals[thread]));
        }
        __syncthreads();
        const VALUE prefix = lane ? function(carry, VALUE(totals[thread - 1])) : carry;
        UNROLL
        for (int j = 0; j < 4; j++) {
            const int i = first + 4 * lane + j;
            if (i < rest) out[base + int64(i) * inner.divisor] = function(prefix, sums[j]);
        }
        carry = function(carry, VALUE(totals[thread - lane + lanes - 1]));
        __syncthreads();
    }
}

KERNEL(THREADS) scan_sum(GLOBAL(const TYPE) x, GLOBAL(TYPE) out, int lines, int size, FastDiv inner, int log_lanes) {
    scan(x, out, lines, size, inner, log_lanes, Plus());
}

KERNEL(THREADS) scan_prod(GLOBAL(const TYPE) x, GLOBAL(TYPE) out, int lines, int size, FastDiv inner, int log_lanes) {
    scan(x, out, lines, size, inner, log_lanes, Times());
}
