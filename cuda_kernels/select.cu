// select.cu: choosing and filling. Neither looks inside the elements, so their size is all that matters.
//
//   map_where   out[i] = condition[i] ? x[i] : y[i]      3·sizeof(TYPE) + 1 bytes an element
//   map_fill    out[i] = number                          sizeof(TYPE) bytes an element
//
// Any strides and NumPy's broadcasting (see map.cuh). An operand that is a null pointer is the number whose bits are given.
//
// Macros: TYPE, an unsigned integer of the elements' size.
#include "map.cuh"

struct Where {
    DEVICE TYPE operator()(bool condition, TYPE x, TYPE y) const { return condition ? x : y; }
};

KERNEL(256) map_where(STRIDED(const bool) condition, STRIDED(const TYPE) x, STRIDED(const TYPE) y, STRIDED(TYPE) out,
                      uint64 x_bits, uint64 y_bits, MapLayout layout) {
    map3<bool, TYPE>(condition, x, y, out, convert<TYPE>(x_bits), convert<TYPE>(y_bits), layout, Where());
}

KERNEL(256) map_fill(STRIDED(TYPE) out, uint64 bits, MapLayout layout) {
    for (int64 number = thread_index(); number < layout.groups; number += thread_count())
        store_group<TYPE>(out, layout, find_group<1>(layout, int(number)), repeated(convert<TYPE>(bits)));
}
