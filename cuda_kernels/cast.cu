// cast.cu: conversions between types. Memory-bound: sizeof(TYPE) bytes read and the target's size written an element.
//
//   cast_<target>   out[i] = target(x[i]), for any strides of x and out (see map.cuh)
//
// Floats become integers by truncation, anything but 0 becomes true. Rounding to float16 and bfloat16 goes through float.
//
// Macros: TYPE, the type of x.
#include "map.cuh"

struct Same {
    DEVICE Wide<TYPE>::type operator()(Wide<TYPE>::type x) const { return x; }
};

#define CAST(name, type)                                                                   \
    KERNEL(256) cast_##name(STRIDED(const TYPE) x, STRIDED(type) out, MapLayout layout) {  \
        map1<TYPE, type>(x, out, layout, Same());                                          \
    }

CAST(bool, bool)
CAST(uint8, unsigned char)
CAST(uint16, unsigned short)
CAST(uint32, unsigned int)
CAST(uint64, unsigned long long)
CAST(int8, signed char)
CAST(int16, short)
CAST(int32, int)
CAST(int64, long long)
CAST(bfloat16, bfloat16)
CAST(float16, float16)
CAST(float32, float)
CAST(float64, double)
