// reduce_splits.cu: the sum of the parts of a product whose inner dimension was split, in order: the same bits in every
// run. One thread an element; (splits + 1)·sizeof bytes and `splits` FLOPs an element.
//
//   reduce_splits   out[i] = act(Σ_s parts[s][i] + bias[i mod columns])
//
// Macros: TYPE of the result, SUM of the parts.
#include "common.cuh"

KERNEL(256)
reduce_splits(GLOBAL(const SUM) parts, GLOBAL(const TYPE) bias, GLOBAL(TYPE) out, int count, int splits, FastDiv columns,
              int activate) {
    const int64 i = thread_index();
    if (i >= count) return;
    SUM sum = SUM(0);
    for (int s = 0; s < splits; s++) sum += parts[int64(s) * count + i];
    if (bias) {
        int column;
        columns.divide(int(i), column);
        sum += SUM(bias[column]);
    }
    out[i] = TYPE(activate ? relu(sum) : sum);
}
