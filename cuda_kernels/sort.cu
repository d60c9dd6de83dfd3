// sort.cu: a stable sort of each line of keys (lines, size), NaN last, that also says where the keys came from.
//
//   sort_tiles   each run of 256 keys is sorted: a key's new place is the number of keys of the tile that come before it
//   merge_runs   neighbouring runs of a length are merged: a key's new place is its own rank in its run plus its rank in
//                the other, found by bisection
//
// log2(size / 256) merges follow one another between two buffers, each 2·(sizeof(TYPE) + 4) bytes an element. No thread
// waits for another, and equal keys keep their order, so everything that is built on this is deterministic.
//
// Macros: TYPE, the type of the keys.
#include "common.cuh"

#define TILE 256

typedef TYPE KEY;

DEVICE bool precedes(KEY a, KEY b) { return a < b || (b != b && a == a); }

KERNEL(TILE) sort_tiles(GLOBAL(const TYPE) keys, GLOBAL(TYPE) sorted, GLOBAL(int) order, int size, int tiles) {
    SHARED(KEY, tile, TILE);
    const int line = blockIdx.x / tiles, start = blockIdx.x % tiles * TILE, thread = threadIdx.x;
    const int length = min(TILE, size - start);
    const int64 base = int64(line) * size + start;
    if (thread < length) tile[thread] = keys[base + thread];
    __syncthreads();
    if (thread >= length) return;
    const KEY key = tile[thread];
    int rank = 0;
    for (int i = 0; i < length; i++) {
        const KEY other = tile[i];
        rank += precedes(other, key) || (i < thread && !precedes(key, other));
    }
    sorted[base + rank] = key;
    order[base + rank] = start + thread;
}

KERNEL(256) merge_runs(GLOBAL(const TYPE) keys, GLOBAL(const int) order, GLOBAL(TYPE) merged, GLOBAL(int) merged_order,
                       FastDiv size, int run, int count) {
    for (int64 i = thread_index(); i < count; i += thread_count()) {
        int place;
        const int64 base = int64(size.divide(int(i), place)) * size.divisor;
        const bool is_left = place / run % 2 == 0;
        const int own = place / run * run;  // where its run begins
        const int other = is_left ? min(own + run, size.divisor) : own - run;
        const KEY key = keys[i];
        int low = 0, high = min(run, size.divisor - other);
        while (low < high) {
            const int middle = (low + high) / 2;
            const KEY met = keys[base + other + middle];
            const bool goes_before = is_left ? precedes(met, key) : !precedes(key, met);
            if (goes_before)
                low = middle + 1;
            else
                high = middle;
        }
        const int64 target = base + min(own, other) + (place - own) + low;
        merged[target] = key;
        merged_order[target] = order[i];
    }
}
