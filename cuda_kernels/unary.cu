// unary.cu: functions of one operand of floats. Memory-bound: 2·sizeof(TYPE) bytes an element, 1 to about 40 FLOP.
//
//   map_<name>   out[i] = name(x[i]), for any strides of x and out (see map.cuh)
//
// A NaN stays a NaN everywhere, as with NumPy. float16 and bfloat16 are storage: the arithmetic is done in float.
//
// Macros: TYPE, the type of x and out: float, double, float16 or bfloat16.
#include "map.cuh"

typedef Wide<TYPE>::type REAL;

// 1 / (1 + e^−x)
DEVICE REAL sigmoid_of(REAL x) { return REAL(1) / (REAL(1) + exp(-x)); }

// max(x, 0) + log(1 + e^−|x|)
DEVICE REAL softplus_of(REAL x) { return relu(x) + log1p(exp(-fabs(x))); }

DEVICE REAL sign_of(REAL x) { return x > REAL(0) ? REAL(1) : x < REAL(0) ? REAL(-1) : x == REAL(0) ? REAL(0) : x; }

#define UNARY(name, expression)                                                           \
    struct name##_function {                                                              \
        DEVICE REAL operator()(REAL x) const { return expression; }                       \
    };                                                                                    \
    KERNEL(256) map_##name(STRIDED(const TYPE) x, STRIDED(TYPE) out, MapLayout layout) {  \
        map1<TYPE, TYPE>(x, out, layout, name##_function());                              \
    }

UNARY(negative, -x)
UNARY(absolute, fabs(x))
UNARY(sign, sign_of(x))
UNARY(square, x * x)
UNARY(reciprocal, REAL(1) / x)
UNARY(floor, floor(x))
UNARY(ceil, ceil(x))
UNARY(rint, rint(x))
UNARY(trunc, trunc(x))
UNARY(exp, exp(x))
UNARY(expm1, expm1(x))
UNARY(exp2, exp2(x))
UNARY(log, log(x))
UNARY(log1p, log1p(x))
UNARY(log2, log2(x))
UNARY(log10, log10(x))
UNARY(sqrt, sqrt(x))
UNARY(rsqrt, REAL(1) / sqrt(x))
UNARY(sin, sin(x))
UNARY(cos, cos(x))
UNARY(tan, tan(x))
UNARY(arcsin, asin(x))
UNARY(arccos, acos(x))
UNARY(arctan, atan(x))
UNARY(sinh, sinh(x))
UNARY(cosh, cosh(x))
UNARY(tanh, tanh(x))
UNARY(arcsinh, asinh(x))
UNARY(arccosh, acosh(x))
UNARY(arctanh, atanh(x))
UNARY(sigmoid, sigmoid_of(x))
UNARY(softplus, softplus_of(x))
UNARY(erf, erf(x))
UNARY(relu, relu(x))

// x − x is 0 for finite x, and NaN for an infinity.
#define PREDICATE(name, expression)                                                       \
    struct name##_function {                                                              \
        DEVICE bool operator()(REAL x) const { return expression; }                       \
    };                                                                                    \
    KERNEL(256) map_##name(STRIDED(const TYPE) x, STRIDED(bool) out, MapLayout layout) {  \
        map1<TYPE, bool>(x, out, layout, name##_function());                              \
    }

PREDICATE(isfinite, x - x == REAL(0))
PREDICATE(isnan, x != x)
PREDICATE(isinf, x == x && x - x != REAL(0))
PREDICATE(logical_not, x == REAL(0))
