// reduction.cu: sums, means, products and extremes over any axes. Memory-bound: each element is read once, 1 FLOP each.
//
//   reduce_<name>   out[k] = name of x[k, r] over all r          reduce_argmax, reduce_argmin   the first such r
//
// k counts the kept axes, r the reduced ones, each with any strides. Index map: a block of 256 threads is `lanes` threads
// for each of 256/lanes results. Where the reduced axes lie closest in memory (rows), neighbouring threads are the lanes of
// one result; where the kept axes do (columns), they belong to neighbouring results. So either way a warp reads side by
// side. A lane takes every lanes-th element with four sums under way; the lanes are added as a tree in shared memory.
//
// Long reductions are split over blockIdx.y in chunks of a length that follows from the shape alone. Each chunk leaves a
// partial result, and a second launch of the same kernel reduces these in order: equal bits on every run and device.
//
// A NaN wins maxima and minima, and the first one argmax and argmin, as with NumPy. float16 and bfloat16 are reduced in
// float. The maximum of bools is "any", their minimum "all".
//
// Macros: TYPE, the type of x and of the results; PARTIAL, the type that they are accumulated in.
#include "common.cuh"

#define THREADS 256
#define MAX_RANK 6

// Strides in elements, from the farthest axis to the closest.
struct ReduceLayout {
    FastDiv kept_sizes[MAX_RANK];
    FastDiv reduced_sizes[MAX_RANK];
    int64 kept_strides[MAX_RANK];
    int64 reduced_strides[MAX_RANK];
    int kept_rank;
    int reduced_rank;
    int kept;           // results
    int reduced;        // elements of each
    int chunk;          // elements of each that a block takes
    int log_lanes;      // threads of each
    int is_row;         // whether neighbouring threads are lanes
    int64 count;        // what a mean divides by
};

typedef PARTIAL VALUE;

DEVICE int64 kept_offset(const ReduceLayout& layout, int k) {
    int64 offset = 0;
    for (int axis = layout.kept_rank - 1; axis >= 0; axis--) {
        int index;
        k = layout.kept_sizes[axis].divide(k, index);
        offset += index * layout.kept_strides[axis];
    }
    return offset;
}

DEVICE int64 reduced_offset(const ReduceLayout& layout, int r) {
    int64 offset = 0;
    for (int axis = layout.reduced_rank - 1; axis > 0; axis--) {
        int index;
        r = layout.reduced_sizes[axis].divide(r, index);
        offset += index * layout.reduced_strides[axis];
    }
    return offset + r * layout.reduced_strides[0];
}

// The place of a thread: result k, lane of it, and how far apart in shared memory neighbouring lanes are.
struct Place {
    int k;
    int lane;
    int lanes;
    int reach;
};

DEVICE Place find_place(const ReduceLayout& layout) {
    Place place;
    place.lanes = 1 << layout.log_lanes;
    const int thread = threadIdx.x, width = THREADS / place.lanes;
    place.lane = layout.is_row ? thread % place.lanes : thread / width;
    place.reach = layout.is_row ? 1 : width;
    place.k = blockIdx.x * width + (layout.is_row ? thread / place.lanes : thread % width);
    return place;
}

struct Sum {
    DEVICE VALUE start(VALUE first) const { return VALUE(0); }
    DEVICE VALUE operator()(VALUE a, VALUE b) const { return a + b; }
    DEVICE VALUE finish(VALUE a, int64 count) const { return a; }
};
struct Mean : Sum {
    DEVICE VALUE finish(VALUE a, int64 count) const { return a / VALUE(count); }
};
struct Product {
    DEVICE VALUE start(VALUE first) const { return VALUE(1); }
    DEVICE VALUE operator()(VALUE a, VALUE b) const { return a * b; }
    DEVICE VALUE finish(VALUE a, int64 count) const { return a; }
};
struct Largest {
    DEVICE VALUE start(VALUE first) const { return first; }
    DEVICE VALUE operator()(VALUE a, VALUE b) const { return a > b || a != a ? a : b; }
    DEVICE VALUE finish(VALUE a, int64 count) const { return a; }
};
struct Smallest {
    DEVICE VALUE start(VALUE first) const { return first; }
    DEVICE VALUE operator()(VALUE a, VALUE b) const { return a < b || a != a ? a : b; }
    DEVICE VALUE finish(VALUE a, int64 count) const { return a; }
};

// Reads x, or where it is null the partial results (chunk, k) of an earlier launch, all in one chunk; writes `out`, or
// where that is null partial results.
template <class Function>
DEVICE void reduce(STRIDED(const TYPE) x, GLOBAL(const PARTIAL) earlier, GLOBAL(TYPE) out, GLOBAL(PARTIAL) partial,
                   const ReduceLayout& layout, Function function) {
    SHARED(VALUE, values, THREADS);
    const Place place = find_place(layout);
    const int begin = blockIdx.y * layout.chunk, end = min(begin + layout.chunk, layout.reduced);
    const int lanes = place.lanes, k = place.k, thread = threadIdx.x;
    VALUE sums[4];
    if (k < layout.kept) {
        const int64 base = x ? kept_offset(layout, k) : k;
        const VALUE first = x ? VALUE(x[base + reduced_offset(layout, begin)]) : earlier[base];
        UNROLL
        for (int j = 0; j < 4; j++) sums[j] = function.start(first);
        for (int r = begin + place.lane; r < end; r += 4 * lanes) {
            UNROLL
            for (int j = 0; j < 4; j++) {
                const int i = r + j * lanes;
                if (i >= end) continue;
                sums[j] = function(sums[j], x ? VALUE(x[base + reduced_offset(layout, i)]) : earlier[base + int64(i) * layout.kept]);
            }
        }
        values[thread] = function(function(sums[0], sums[1]), function(sums[2], sums[3]));
    }
    for (int step = lanes / 2; step > 0; step /= 2) {
        __syncthreads();
        if (k < layout.kept && place.lane < step)
            values[thread] = function(VALUE(values[thread]), VALUE(values[thread + step * place.reach]));
    }
    if (place.lane || k >= layout.kept) return;
    const VALUE result = values[thread];
    if (out)
        out[k] = convert<TYPE>(function.finish(result, layout.count));
    else
        partial[int64(blockIdx.y) * layout.kept + k] = result;
}

#define REDUCTION(name, function)                                                                                \
    KERNEL(THREADS) reduce_##name(STRIDED(const TYPE) x, GLOBAL(const PARTIAL) earlier, GLOBAL(TYPE) out,        \
                                  GLOBAL(PARTIAL) partial, ReduceLayout layout) {                                \
        reduce(x, earlier, out, partial, layout, function());                                                    \
    }

REDUCTION(sum, Sum)
REDUCTION(mean, Mean)
REDUCTION(prod, Product)
REDUCTION(amax, Largest)
REDUCTION(amin, Smallest)

struct Candidate {
    VALUE value;
    int index;
};

// The better of two candidates: a NaN before numbers, then the larger or the smaller, then the first.
template <bool IS_MAX>
DEVICE Candidate better(Candidate a, Candidate b) {
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    const bool equal = a.value == b.value || (a_nan && b_nan);
    const bool ahead = IS_MAX ? a.value > b.value : a.value < b.value;
    return (equal ? a.index < b.index : a_nan || (ahead && !b_nan)) ? a : b;
}

// Of all r, or in one chunk of those that an earlier launch left for each chunk. Writes out[chunk, k].
template <bool IS_MAX>
DEVICE void find_best(STRIDED(const TYPE) x, GLOBAL(const int) earlier, GLOBAL(int) out, const ReduceLayout& layout) {
    SHARED(VALUE, values, THREADS);
    SHARED(int, indices, THREADS);
    const Place place = find_place(layout);
    const int begin = blockIdx.y * layout.chunk, end = min(begin + layout.chunk, layout.reduced);
    const int k = place.k, thread = threadIdx.x;
    Candidate best;
    if (k < layout.kept) {
        const int64 base = kept_offset(layout, k);
        best.index = earlier ? earlier[k] : begin;
        best.value = VALUE(x[base + reduced_offset(layout, best.index)]);
        for (int r = begin + place.lane; r < end; r += place.lanes) {
            Candidate next;
            next.index = earlier ? earlier[int64(r) * layout.kept + k] : r;
            next.value = VALUE(x[base + reduced_offset(layout, next.index)]);
            best = better<IS_MAX>(best, next);
        }
        values[thread] = best.value;
        indices[thread] = best.index;
    }
    for (int step = place.lanes / 2; step > 0; step /= 2) {
        __syncthreads();
        if (k < layout.kept && place.lane < step) {
            const int other = thread + step * place.reach;
            const Candidate next = {values[other], indices[other]};
            best = better<IS_MAX>(best, next);
            values[thread] = best.value;
            indices[thread] = best.index;
        }
    }
    if (place.lane == 0 && k < layout.kept) out[int64(blockIdx.y) * layout.kept + k] = best.index;
}

KERNEL(THREADS) reduce_argmax(STRIDED(const TYPE) x, GLOBAL(const int) earlier, GLOBAL(int) out, ReduceLayout layout) {
    find_best<true>(x, earlier, out, layout);
}

KERNEL(THREADS) reduce_argmin(STRIDED(const TYPE) x, GLOBAL(const int) earlier, GLOBAL(int) out, ReduceLayout layout) {
    find_best<false>(x, earlier, out, layout);
}
