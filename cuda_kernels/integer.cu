// integer.cu: functions of one to three operands of integers or bools. Memory-bound: sizeof(TYPE) bytes an element for each
// operand and the result.
//
//   map_<name>   out[i] = name(x[i]) or name(a[i], b[i]), for any strides and NumPy's broadcasting (see map.cuh)
//   map_clip     out[i] = min(max(x[i], low[i]), high[i])
//
// An operand that is a null pointer is the number `scalar`. Results wrap around at the width of TYPE. As with NumPy, division
// by 0 gives 0, a shift by the width or more gives 0 (−1 of a negative number shifted right), and a bool sum is "or".
//
// Macros: TYPE, the type of all operands: bool, unsigned char, int or int64.
#include "map.cuh"

typedef TYPE ELEMENT;

DEVICE bool inverted(bool x) { return !x; }
template <class T>
DEVICE T inverted(T x) {
    return T(~x);
}

// ⌊a / b⌋
DEVICE TYPE floored_quotient(TYPE a, TYPE b) {
    if (b == 0) return 0;
    if (b == ELEMENT(-1)) return ELEMENT(0) < b ? a / b : ELEMENT(0 - uint64(a));
    const TYPE quotient = a / b;
    return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

DEVICE TYPE remainder_of(TYPE a, TYPE b) {
    return b == 0 ? ELEMENT(0) : ELEMENT(uint64(a) - uint64(b) * uint64(floored_quotient(a, b)));
}

// a to the power b by squaring; 0 for a negative b, which NumPy refuses, except of ±1.
DEVICE TYPE power_of(TYPE a, TYPE b) {
    if (b < 0) return a == 1 ? ELEMENT(1) : a == ELEMENT(-1) ? (b % 2 ? a : ELEMENT(1)) : ELEMENT(0);
    uint64 result = 1, factor = uint64(a);
    for (uint64 exponent = uint64(b); exponent; exponent >>= 1) {
        if (exponent & 1) result *= factor;
        factor *= factor;
    }
    return ELEMENT(result);
}

DEVICE bool beyond_width(TYPE b) { return uint64(b) >= 8 * sizeof(TYPE); }
DEVICE TYPE shifted_left(TYPE a, TYPE b) { return beyond_width(b) ? ELEMENT(0) : ELEMENT(uint64(a) << b); }
DEVICE TYPE shifted_right(TYPE a, TYPE b) { return beyond_width(b) ? (a < 0 ? ELEMENT(-1) : ELEMENT(0)) : ELEMENT(a >> b); }

#define UNARY_TO(type, name, expression)                                                  \
    struct name##_function {                                                              \
        DEVICE type operator()(TYPE x) const { return convert<type>(expression); }                 \
    };                                                                                    \
    KERNEL(256) map_##name(STRIDED(const TYPE) x, STRIDED(type) out, MapLayout layout) {  \
        map1<TYPE, type>(x, out, layout, name##_function());                              \
    }

UNARY_TO(TYPE, negative, 0 - uint64(x))
UNARY_TO(TYPE, absolute, x < 0 ? 0 - uint64(x) : uint64(x))
UNARY_TO(TYPE, sign, (x > 0) - (x < 0))
UNARY_TO(TYPE, square, uint64(x) * uint64(x))
UNARY_TO(TYPE, relu, x > 0 ? x : 0)
UNARY_TO(TYPE, invert, inverted(x))
UNARY_TO(bool, logical_not, x == 0)

#define BINARY_TO(type, name, expression)                                                                 \
    struct name##_function {                                                                              \
        DEVICE type operator()(TYPE a, TYPE b) const { return convert<type>(expression); }                         \
    };                                                                                                    \
    KERNEL(256) map_##name(STRIDED(const TYPE) a, STRIDED(const TYPE) b, STRIDED(type) out, int64 scalar, \
                           MapLayout layout) {                                                            \
        map2<TYPE, type>(a, b, out, ELEMENT(scalar), layout, name##_function());                             \
    }

BINARY_TO(TYPE, add, uint64(a) + uint64(b))
BINARY_TO(TYPE, subtract, uint64(a) - uint64(b))
BINARY_TO(TYPE, multiply, uint64(a) * uint64(b))
BINARY_TO(TYPE, floor_divide, floored_quotient(a, b))
BINARY_TO(TYPE, mod, remainder_of(a, b))
BINARY_TO(TYPE, power, power_of(a, b))
BINARY_TO(TYPE, maximum, a > b ? a : b)
BINARY_TO(TYPE, minimum, a < b ? a : b)
BINARY_TO(TYPE, bitwise_and, a & b)
BINARY_TO(TYPE, bitwise_or, a | b)
BINARY_TO(TYPE, bitwise_xor, a ^ b)
BINARY_TO(TYPE, left_shift, shifted_left(a, b))
BINARY_TO(TYPE, right_shift, shifted_right(a, b))

BINARY_TO(bool, equal, a == b)
BINARY_TO(bool, not_equal, a != b)
BINARY_TO(bool, less, a < b)
BINARY_TO(bool, less_equal, a <= b)
BINARY_TO(bool, greater, a > b)
BINARY_TO(bool, greater_equal, a >= b)
BINARY_TO(bool, logical_and, a != 0 && b != 0)
BINARY_TO(bool, logical_or, a != 0 || b != 0)
BINARY_TO(bool, logical_xor, (a != 0) != (b != 0))

struct Clip {
    DEVICE TYPE operator()(TYPE x, TYPE low, TYPE high) const {
        const TYPE raised = x > low ? x : low;
        return raised < high ? raised : high;
    }
};

KERNEL(256) map_clip(STRIDED(const TYPE) x, STRIDED(const TYPE) low, STRIDED(const TYPE) high, STRIDED(TYPE) out,
                     int64 low_number, int64 high_number, MapLayout layout) {
    map3<TYPE, TYPE>(x, low, high, out, ELEMENT(low_number), ELEMENT(high_number), layout, Clip());
}
