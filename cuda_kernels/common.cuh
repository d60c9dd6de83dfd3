// common.cuh: what every kernel starts from. One text is CUDA C++ for NVRTC and nvcc, and C++ under the emulation
// (gpunet/testing/emulation), which defines GPUNET_EMULATION and its own versions of the macros in the first section.
#pragma once

#ifndef GPUNET_EMULATION

// A kernel of at most so many threads a block: KERNEL(256) name(parameters) { … }. KERNEL(256, 2) also asks for registers
// for two blocks on a multiprocessor at once.
#define KERNEL(...) extern "C" __global__ void __launch_bounds__(__VA_ARGS__)
#define DEVICE __device__ __forceinline__

// Array parameters. The launcher checks that a GLOBAL array is contiguous, a VECTOR array begins at a multiple of
// 16 bytes as well, and takes a STRIDED array with any strides, which the caller passes along.
#define GLOBAL(T) T* __restrict__
#define VECTOR(T) T* __restrict__
#define STRIDED(T) T* __restrict__

// An array of shared memory, and a pointer into one.
#define SHARED(T, name, count) __shared__ __align__(16) T name[count]
#define SHARED_POINTER(T) T*

#define UNROLL _Pragma("unroll")

// An index of COUNT registers that are reached by reference, which the emulation checks.
#define REGISTER(i, COUNT) (i)

#endif

typedef unsigned int uint32;
typedef long long int64;
typedef unsigned long long uint64;

#ifndef GPUNET_EMULATION

// IEEE half precision as storage: arithmetic is done in float.
struct float16 {
    unsigned short bits;
    float16() = default;
    DEVICE float16(float value) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value)); }
    DEVICE operator float() const {
        float value;
        asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
        return value;
    }
};

#endif

// The type to accumulate a storage type in.
template <class T>
struct Accumulator {
    typedef float type;
};
template <>
struct Accumulator<double> {
    typedef double type;
};

// bfloat16 as storage: the upper half of a float, rounded to nearest, halves to even.
struct bfloat16 {
    unsigned short bits;
    bfloat16() = default;
    DEVICE bfloat16(float value) {
        const uint32 all = __float_as_uint(value);
        bits = value != value ? 0x7FC0 : (unsigned short)((all + 0x7FFF + (all >> 16 & 1)) >> 16);
    }
    DEVICE operator float() const { return __uint_as_float(uint32(bits) << 16); }
};

// The type to compute with values of a storage type in.
template <class T>
struct Wide {
    typedef T type;
};
template <>
struct Wide<float16> {
    typedef float type;
};
template <>
struct Wide<bfloat16> {
    typedef float type;
};

// NumPy's conversion of one type to another: to bool it asks whether the value is not zero.
template <class To, class From>
DEVICE To convert(From value) {
    return To(typename Wide<To>::type(typename Wide<From>::type(value)));
}

// COUNT neighbours that move in one or two instructions.
template <class T, int COUNT>
struct alignas(sizeof(T) * COUNT < 16 ? sizeof(T) * COUNT : 16) Vector {
    T v[COUNT];
    DEVICE T& operator[](int i) { return v[REGISTER(i, COUNT)]; }
    DEVICE const T& operator[](int i) const { return v[REGISTER(i, COUNT)]; }
};
template <class T>
using Vec4 = Vector<T, 4>;

#ifndef GPUNET_EMULATION

// COUNT neighbours of global or shared memory; the address is a multiple of their size, at most 16 bytes.
template <int COUNT, class T>
DEVICE Vector<T, COUNT> load_vector(const T* address) {
    return *reinterpret_cast<const Vector<T, COUNT>*>(address);
}
template <int COUNT, class T>
DEVICE void store_vector(T* address, const Vector<T, COUNT>& value) {
    *reinterpret_cast<Vector<T, COUNT>*>(address) = value;
}

#endif

#define load4(address) load_vector<4>(address)
#define store4(address, value) store_vector<4>(address, value)

// Division of 0 ≤ n < 2³¹ by a divisor that the host knows: q = (mulhi(n, magic) + n) >> shift, after Granlund and
// Montgomery, "Division by invariant integers using multiplication" (1994). The launcher fills it from an int.
struct FastDiv {
    int divisor;
    uint32 magic;
    uint32 shift;
    DEVICE int divide(int n) const { return int((__umulhi(uint32(n), magic) + uint32(n)) >> shift); }
    DEVICE int divide(int n, int& remainder) const {
        const int quotient = divide(n);
        remainder = n - quotient * divisor;
        return quotient;
    }
};

// max(x, 0) that keeps a NaN, as NumPy's maximum does.
template <class T>
DEVICE T relu(T x) {
    return x > T(0) || x != x ? x : T(0);
}

// The place of this thread among all threads of a one-dimensional grid, and their number.
DEVICE int64 thread_index() { return int64(blockIdx.x) * blockDim.x + threadIdx.x; }
DEVICE int64 thread_count() { return int64(gridDim.x) * blockDim.x; }
