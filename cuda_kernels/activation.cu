// activation.cu: activations of several steps in one pass, and each one's slope times a gradient. Memory-bound:
// 2·sizeof(TYPE) bytes an element forward and 3·sizeof(TYPE) backward, 2 to about 60 FLOP.
//
//   map_<name>        out[i] = name(x[i]), for any strides of x and out (see map.cuh)
//   map_<name>_grad   out[i] = g[i]·name'(x[i])
//
// D. Hendrycks, K. Gimpel, "Gaussian error linear units" (2016), also by tanh, which is x·sigmoid(2u) for
// u = √(2/π)·(x + 0.044715·x³); silu: S. Elfwing et al. (2017); mish: D. Misra (2019); elu: D.-A. Clevert et al. (2015).
// float16 and bfloat16 are storage: the arithmetic is done in float.
//
// Macros: TYPE, the type of all arrays: float, double, float16 or bfloat16.
#include "map.cuh"

typedef Wide<TYPE>::type REAL;

// What a value and a slope are made of.
struct Pair {
    REAL value, slope;
};

DEVICE REAL sigmoid_of(REAL x) { return REAL(1) / (REAL(1) + exp(-x)); }

// Φ(x), and Φ(x) + x·φ(x)
DEVICE Pair gelu_of(REAL x) {
    const REAL share = REAL(0.5) * (REAL(1) + erf(x * REAL(0.70710678118654752)));
    const REAL density = REAL(0.39894228040143268) * exp(REAL(-0.5) * x * x);
    return {x * share, share + x * density};
}

// x·σ(v), v = 2u
DEVICE Pair gelu_tanh_of(REAL x) {
    const REAL twice = REAL(1.5957691216057308), square = x * x;
    const REAL share = sigmoid_of(twice * x * (REAL(1) + REAL(0.044715) * square));
    const REAL steepness = twice * (REAL(1) + REAL(0.134145) * square);
    return {x * share, share + x * (share * (REAL(1) - share)) * steepness};
}

DEVICE Pair silu_of(REAL x) {
    const REAL share = sigmoid_of(x);
    return {x * share, share + x * (share * (REAL(1) - share))};
}

// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x·(e^x + 2), which is 1 beyond 20.
DEVICE Pair mish_of(REAL x) {
    const REAL power = exp(x > REAL(20) ? REAL(20) : x), n = power * (power + REAL(2));
    const REAL share = n / (n + REAL(2));
    return {x * share, share + x * (REAL(1) - share * share) * sigmoid_of(x)};
}

DEVICE Pair elu_of(REAL x, REAL alpha) {
    if (x > REAL(0)) return {x, REAL(1)};
    return {alpha * expm1(x), alpha * exp(x)};
}

DEVICE Pair leaky_relu_of(REAL x, REAL alpha) {
    const REAL slope = x > REAL(0) ? REAL(1) : alpha;
    return {x * slope, slope};
}

#define ACTIVATION(name)                                                                                       \
    struct name##_function {                                                                                   \
        DEVICE REAL operator()(REAL x) const { return name##_of(x).value; }                                    \
        DEVICE REAL operator()(REAL g, REAL x) const { return g * name##_of(x).slope; }                        \
    };                                                                                                         \
    KERNEL(256) map_##name(STRIDED(const TYPE) x, STRIDED(TYPE) out, MapLayout layout) {                       \
        map1<TYPE, TYPE>(x, out, layout, name##_function());                                                   \
    }                                                                                                          \
    KERNEL(256) map_##name##_grad(STRIDED(const TYPE) g, STRIDED(const TYPE) x, STRIDED(TYPE) out,             \
                                  MapLayout layout) {                                                          \
        map2<TYPE, TYPE>(g, x, out, convert<TYPE>(0.0), layout, name##_function());                            \
    }

#define ACTIVATION_WITH_ALPHA(name)                                                                            \
    struct name##_function {                                                                                   \
        REAL alpha;                                                                                            \
        DEVICE REAL operator()(REAL x) const { return name##_of(x, alpha).value; }                             \
        DEVICE REAL operator()(REAL g, REAL x) const { return g * name##_of(x, alpha).slope; }                 \
    };                                                                                                         \
    KERNEL(256) map_##name(STRIDED(const TYPE) x, STRIDED(TYPE) out, double alpha, MapLayout layout) {         \
        map1<TYPE, TYPE>(x, out, layout, name##_function{REAL(alpha)});                                        \
    }                                                                                                          \
    KERNEL(256) map_##name##_grad(STRIDED(const TYPE) g, STRIDED(const TYPE) x, STRIDED(TYPE) out,             \
                                  double alpha, MapLayout layout) {                                            \
        map2<TYPE, TYPE>(g, x, out, convert<TYPE>(0.0), layout, name##_function{REAL(alpha)});                 \
    }

ACTIVATION(gelu)
ACTIVATION(gelu_tanh)
ACTIVATION(silu)
ACTIVATION(mish)
ACTIVATION_WITH_ALPHA(elu)
ACTIVATION_WITH_ALPHA(leaky_relu)
