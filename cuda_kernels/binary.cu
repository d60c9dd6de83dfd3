// binary.cu: functions of two or three operands of floats. Memory-bound: sizeof(TYPE) bytes an element for each operand
// and the result, 1 to about 60 FLOP.
//
//   map_<name>   out[i] = name(a[i], b[i]), for any strides and NumPy's broadcasting (see map.cuh)
//   map_clip     out[i] = min(max(x[i], low[i]), high[i])
//
// An operand that is a null pointer is the number `scalar`. Comparisons give bool. maximum, minimum and clip keep a NaN of
// either operand; floor_divide and mod follow NumPy's rules for signs, zeros and infinities.
//
// Macros: TYPE, the type of all operands: float, double, or float16 and bfloat16 as storage of float arithmetic.
#include "map.cuh"

typedef Wide<TYPE>::type REAL;

DEVICE REAL larger(REAL a, REAL b) { return a > b || a != a ? a : b; }
DEVICE REAL smaller(REAL a, REAL b) { return a < b || a != a ? a : b; }

// a − b·⌊a / b⌋ with the sign of b.
DEVICE REAL remainder_of(REAL a, REAL b) {
    const REAL rest = fmod(a, b);
    if (b == REAL(0)) return rest;
    if (rest == REAL(0)) return copysign(REAL(0), b);
    return (b < REAL(0)) != (rest < REAL(0)) ? rest + b : rest;
}

// ⌊a / b⌋, from the remainder, so that a rounded quotient does not step over an integer.
DEVICE REAL floored_quotient(REAL a, REAL b) {
    if (b == REAL(0)) return a / b;
    const REAL rest = fmod(a, b);
    REAL quotient = (a - rest) / b;
    if (rest != REAL(0) && (b < REAL(0)) != (rest < REAL(0))) quotient -= REAL(1);
    if (quotient == REAL(0)) return copysign(REAL(0), a / b);
    const REAL whole = floor(quotient);
    return quotient - whole > REAL(0.5) ? whole + REAL(1) : whole;
}

// log(e^a + e^b)
DEVICE REAL log_of_sum(REAL a, REAL b) {
    if (a == b) return a + log(REAL(2));
    return larger(a, b) + log1p(exp(-fabs(a - b)));
}

#define BINARY_TO(type, result, name, expression)                                                          \
    struct name##_function {                                                                               \
        DEVICE result operator()(REAL a, REAL b) const { return expression; }                              \
    };                                                                                                     \
    KERNEL(256) map_##name(STRIDED(const TYPE) a, STRIDED(const TYPE) b, STRIDED(type) out, double scalar, \
                           MapLayout layout) {                                                             \
        map2<TYPE, type>(a, b, out, convert<TYPE>(scalar), layout, name##_function());                     \
    }

BINARY_TO(TYPE, REAL, add, a + b)
BINARY_TO(TYPE, REAL, subtract, a - b)
BINARY_TO(TYPE, REAL, multiply, a * b)
BINARY_TO(TYPE, REAL, divide, a / b)
BINARY_TO(TYPE, REAL, floor_divide, floored_quotient(a, b))
BINARY_TO(TYPE, REAL, mod, remainder_of(a, b))
BINARY_TO(TYPE, REAL, power, pow(a, b))
BINARY_TO(TYPE, REAL, maximum, larger(a, b))
BINARY_TO(TYPE, REAL, minimum, smaller(a, b))
BINARY_TO(TYPE, REAL, arctan2, atan2(a, b))
BINARY_TO(TYPE, REAL, logaddexp, log_of_sum(a, b))

BINARY_TO(bool, bool, equal, a == b)
BINARY_TO(bool, bool, not_equal, a != b)
BINARY_TO(bool, bool, less, a < b)
BINARY_TO(bool, bool, less_equal, a <= b)
BINARY_TO(bool, bool, greater, a > b)
BINARY_TO(bool, bool, greater_equal, a >= b)
BINARY_TO(bool, bool, logical_and, a != REAL(0) && b != REAL(0))
BINARY_TO(bool, bool, logical_or, a != REAL(0) || b != REAL(0))
BINARY_TO(bool, bool, logical_xor, (a != REAL(0)) != (b != REAL(0)))

// Derivatives: a is the gradient of the result, b the result of relu, tanh or sigmoid.
BINARY_TO(TYPE, REAL, relu_grad, b > REAL(0) ? a : REAL(0))
BINARY_TO(TYPE, REAL, tanh_grad, a * (REAL(1) - b * b))
BINARY_TO(TYPE, REAL, sigmoid_grad, a * ((REAL(1) - b) * b))

struct Clip {
    DEVICE TYPE operator()(TYPE x, TYPE low, TYPE high) const {
        return convert<TYPE>(smaller(larger(REAL(x), REAL(low)), REAL(high)));
    }
};

KERNEL(256) map_clip(STRIDED(const TYPE) x, STRIDED(const TYPE) low, STRIDED(const TYPE) high, STRIDED(TYPE) out,
                     double low_number, double high_number, MapLayout layout) {
    map3<TYPE, TYPE>(x, low, high, out, convert<TYPE>(low_number), convert<TYPE>(high_number), layout, Clip());
}
