// random.cu: Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11) and what is made of it,
// with the bits of numpy.random.Philox(key=[seed, stream]). state = (seed, stream) is read on the device.
//
//   random_bits      out[i] = the i-th 32-bit word                                      4 bytes an element
//   random_uniform   out[i] = the top bits of the i-th word as a fraction               sizeof(TYPE) bytes
//   random_normal    out[i] = ± the normal quantile of the other bits of the i-th word  sizeof(TYPE) bytes
//   dropout          out[i] = x[i]·keep·scale, keep = the i-th 16 bits ≥ threshold      2·sizeof(TYPE) bytes
//   next_state       out = state; stream += 1                                           16 bytes
//
// Block c of four 64-bit words belongs to the counter c + 1. A word of 64 bits makes one double, two words of 32 bits, or
// four of 16, low bits first. One thread makes one block: 4 doubles, 8 floats or words, 16 decisions of dropout. Some 120
// 32-bit multiplications a block: bits and floats are bound by arithmetic, dropout by memory. dropout runs forward and
// backward: the mask is made again and never stored.
//
// Macros: TYPE, float, double or float16. Subnormal floats that dropout multiplies become 0 on a GPU (-ftz=true).
#include "quantile.cuh"

typedef Accumulator<TYPE>::type REAL;

struct Words {
    uint64 w[4];
    DEVICE uint32 half(int i) const { return uint32(w[i / 2] >> (32 * (i % 2))); }
    DEVICE uint32 quarter(int i) const { return uint32(w[i / 4] >> (16 * (i % 4))) & 0xFFFF; }
};

// Block `index` of the stream with key (seed, stream).
DEVICE Words philox(uint64 index, uint32 seed, uint32 stream) {
    uint64 c0 = index + 1, c1 = 0, c2 = 0, c3 = 0, k0 = seed, k1 = stream;
    UNROLL
    for (int round = 0; round < 10; round++) {
        const uint64 high0 = __umul64hi(c0, 0xD2E7470EE14C6C93ULL), low0 = c0 * 0xD2E7470EE14C6C93ULL;
        const uint64 high1 = __umul64hi(c2, 0xCA5A826395121157ULL), low1 = c2 * 0xCA5A826395121157ULL;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B97F4A7C15ULL;
        k1 += 0xBB67AE8584CAA73BULL;
    }
    return {{c0, c1, c2, c3}};
}

// Writes COUNT neighbours from out[first], as far as the array goes.
template <class T, int COUNT>
DEVICE void store_run(VECTOR(T) out, int64 first, int64 count, const T (&values)[COUNT]) {
    UNROLL
    for (int j = 0; j < COUNT; j += 4) {
        if (first + j + 4 <= count) {
            Vec4<T> four;
            UNROLL
            for (int k = 0; k < 4; k++) four[k] = values[j + k];
            store4(out + (first + j), four);
        } else {
            UNROLL
            for (int k = j; k < j + 4; k++)
                if (first + k < count) out[first + k] = values[k];
        }
    }
}

KERNEL(256) random_bits(GLOBAL(const uint32) state, VECTOR(uint32) out, int64 count) {
    const uint32 seed = state[0], stream = state[1];
    for (int64 i = thread_index(); 8 * i < count; i += thread_count()) {
        const Words words = philox(i, seed, stream);
        uint32 values[8];
        UNROLL
        for (int j = 0; j < 8; j++) values[j] = words.half(j);
        store_run(out, 8 * i, count, values);
    }
}

// The functions that make a float of the j-th word of a block; each type has as many as fit.
template <class T>
struct Bits {
    enum { PER_BLOCK = 8 };
    static const int KEPT = sizeof(T) == 2 ? 11 : 24;  // significant bits: a uniform number never rounds up to 1
    DEVICE static float uniform(const Words& words, int j) {
        return mul_rn(float(words.half(j) >> (32 - KEPT)), 1.0f / (1 << KEPT));
    }
    // A sign, and the tail probability in (0, 1/2].
    DEVICE static float probability(const Words& words, int j, bool& negative) {
        const uint32 word = words.half(j);
        negative = word >> 31;
        return mul_rn(add_rn(float(int(word & 0x7FFFFFFF)), 0.5f), 1.0f / 4294967296.0f);
    }
};
template <>
struct Bits<double> {
    enum { PER_BLOCK = 4 };
    DEVICE static double uniform(const Words& words, int j) {
        return mul_rn(double(words.w[j] >> 11), 1.0 / 9007199254740992.0);
    }
    DEVICE static double probability(const Words& words, int j, bool& negative) {
        const uint64 word = words.w[j] >> 11;
        negative = word >> 52;
        return mul_rn(add_rn(double(int64(word & 0xFFFFFFFFFFFFFULL)), 0.5), 1.0 / 9007199254740992.0);
    }
};
const int PER_BLOCK = Bits<TYPE>::PER_BLOCK;

KERNEL(256) random_uniform(GLOBAL(const uint32) state, VECTOR(TYPE) out, int64 count) {
    const uint32 seed = state[0], stream = state[1];
    for (int64 i = thread_index(); PER_BLOCK * i < count; i += thread_count()) {
        const Words words = philox(i, seed, stream);
        TYPE values[PER_BLOCK];
        UNROLL
        for (int j = 0; j < PER_BLOCK; j++) values[j] = TYPE(Bits<TYPE>::uniform(words, j));
        store_run(out, PER_BLOCK * i, count, values);
    }
}

// Truncated: the tail probability is in (P(Z > 2), 1/2] instead.
KERNEL(256) random_normal(GLOBAL(const uint32) state, VECTOR(TYPE) out, int64 count, int truncated) {
    const REAL beyond = REAL(0.022750131948179207), between = REAL(1 - 2 * 0.022750131948179207);
    const uint32 seed = state[0], stream = state[1];
    for (int64 i = thread_index(); PER_BLOCK * i < count; i += thread_count()) {
        const Words words = philox(i, seed, stream);
        TYPE values[PER_BLOCK];
        UNROLL
        for (int j = 0; j < PER_BLOCK; j++) {
            bool negative;
            REAL p = Bits<TYPE>::probability(words, j, negative);
            if (truncated) p = add_rn(beyond, mul_rn(p, between));
            const REAL z = upper_quantile(p);
            values[j] = TYPE(negative ? -z : z);
        }
        store_run(out, PER_BLOCK * i, count, values);
    }
}

// A warp makes 32 blocks, the decisions for 512 neighbours. In step k its lanes take the neighbours 128k + 4·lane … + 3,
// so that accesses coalesce, and get their decisions, a quarter of a block, from the lane that made them. A keep of 0 is
// multiplied like one of 1, which keeps NaNs and signs as NumPy does.
KERNEL(256)
dropout(VECTOR(const TYPE) x, GLOBAL(const uint32) state, VECTOR(TYPE) out, GLOBAL(uint32) state_copy, int64 count,
        uint32 threshold, double scale) {
    const uint32 seed = state[0], stream = state[1];
    const int lane = threadIdx.x % 32;
    const REAL factor = REAL(scale);
    if (state_copy && thread_index() == 0) {
        state_copy[0] = seed;
        state_copy[1] = stream;
    }
    for (int64 warp = thread_index() / 32; 512 * warp < count; warp += thread_count() / 32) {
        const Words words = philox(32 * warp + lane, seed, stream);
        uint32 made = 0;
        UNROLL
        for (int j = 0; j < 16; j++) made |= uint32(words.quarter(j) >= threshold) << j;
        UNROLL
        for (int k = 0; k < 4; k++) {
            const uint32 keep = __shfl_sync(0xFFFFFFFF, made, 8 * k + lane / 4) >> (4 * (lane % 4));
            const int64 first = 512 * warp + 128 * k + 4 * lane;
            if (first + 4 <= count) {
                Vec4<TYPE> four = load4(x + first);
                UNROLL
                for (int j = 0; j < 4; j++) four[j] = TYPE(mul_rn(mul_rn(REAL(four[j]), REAL(keep >> j & 1)), factor));
                store4(out + first, four);
            } else {
                for (int j = 0; first + j < count; j++)
                    out[first + j] = TYPE(mul_rn(mul_rn(REAL(x[first + j]), REAL(keep >> j & 1)), factor));
            }
        }
    }
}

KERNEL(32) next_state(GLOBAL(uint32) state, GLOBAL(uint32) out) {
    if (threadIdx.x) return;
    const uint32 stream = state[1];
    out[0] = state[0];
    out[1] = stream;
    state[1] = stream + 1;
}
