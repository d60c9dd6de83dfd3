// quantile.cuh: the quantile of the normal distribution from correctly rounded +, −, ×, ÷ and √ only, in the order of
// gpunet/backend/philox.py, so that its bits are NumPy's. The named functions keep the compiler from fusing a product
// and a sum into one operation with one rounding.
#pragma once
#include "common.cuh"

DEVICE float add_rn(float a, float b) { return __fadd_rn(a, b); }
DEVICE float sub_rn(float a, float b) { return __fsub_rn(a, b); }
DEVICE float mul_rn(float a, float b) { return __fmul_rn(a, b); }
DEVICE float div_rn(float a, float b) { return __fdiv_rn(a, b); }
DEVICE float sqrt_rn(float a) { return __fsqrt_rn(a); }
DEVICE double add_rn(double a, double b) { return __dadd_rn(a, b); }
DEVICE double sub_rn(double a, double b) { return __dsub_rn(a, b); }
DEVICE double mul_rn(double a, double b) { return __dmul_rn(a, b); }
DEVICE double div_rn(double a, double b) { return __ddiv_rn(a, b); }
DEVICE double sqrt_rn(double a) { return __dsqrt_rn(a); }

// Σ c[k]·xᵏ
template <class T, int COUNT>
DEVICE T horner(T x, const T (&c)[COUNT]) {
    T total = c[COUNT - 1];
    UNROLL
    for (int k = COUNT - 2; k >= 0; k--) total = add_rn(mul_rn(total, x), c[k]);
    return total;
}

// exponent·ln 2 + 2·artanh((m − 1) / (m + 1)), with the mantissa m in [√½, √2) and artanh as a series.
template <class T, int COUNT>
DEVICE T log_of(int exponent, T mantissa, const T (&series)[COUNT]) {
    if (mantissa > T(1.4142135)) {
        mantissa = mul_rn(mantissa, T(0.5));
        exponent++;
    }
    const T s = div_rn(sub_rn(mantissa, T(1)), add_rn(mantissa, T(1)));
    const T tail = mul_rn(mul_rn(T(2), s), horner(mul_rn(s, s), series));
    return add_rn(mul_rn(T(exponent), T(0.6931471805599453)), tail);
}

// The natural logarithm of a positive normal number.
DEVICE float log_rn(float x) {
    const float series[] = {1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11};
    const int bits = __float_as_int(x);
    return log_of((bits >> 23) - 127, __int_as_float((bits & 0x7FFFFF) | 0x3F800000), series);
}
DEVICE double log_rn(double x) {
    const double series[] = {1.0,      1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11,
                             1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21, 1.0 / 23};
    const int64 bits = __double_as_longlong(x);
    const int64 mantissa = (bits & 0xFFFFFFFFFFFFFLL) | 0x3FF0000000000000LL;
    return log_of(int(bits >> 52) - 1023, __longlong_as_double(mantissa), series);
}

template <class T, int N, int D>
DEVICE T ratio(T x, const T (&numerator)[N], const T (&denominator)[D]) {
    return div_rn(horner(x, numerator), horner(x, denominator));
}

// The z ≥ 0 with P(Z > z) = p, for p in (0, 1/2]: M. J. Wichura, "Algorithm AS 241: the percentage points of the normal
// distribution", Applied Statistics 37 (1988); PPND7 for float, PPND16 for double. The centre, the tail, the far tail,
// which a float's p does not reach by the numbers of random.cu.
DEVICE float upper_quantile(float p) {
    const float q = sub_rn(0.5f, p);
    if (!(q > 0.425f)) {
        const float numerator[] = {3.3871327179, 50.434271938, 159.29113202, 59.109374720};
        const float denominator[] = {1.0, 17.895169469, 78.757757664, 67.187563600};
        return mul_rn(q, ratio(sub_rn(0.180625f, mul_rn(q, q)), numerator, denominator));
    }
    const float r = sqrt_rn(-log_rn(p));
    if (r > 5.0f) {
        const float numerator[] = {6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997};
        const float denominator[] = {1.0, 0.24197894225, 0.012258202635};
        return ratio(sub_rn(r, 5.0f), numerator, denominator);
    }
    const float numerator[] = {1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103};
    const float denominator[] = {1.0, 0.73700164250, 0.12021132975};
    return ratio(sub_rn(r, 1.6f), numerator, denominator);
}

DEVICE double upper_quantile(double p) {
    const double q = sub_rn(0.5, p);
    if (!(q > 0.425)) {
        const double numerator[] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                                    1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                                    3.3430575583588128105e4, 2.5090809287301226727e3};
        const double denominator[] = {1.0,
                                      4.2313330701600911252e1,
                                      6.8718700749205790830e2,
                                      5.3941960214247511077e3,
                                      2.1213794301586595867e4,
                                      3.9307895800092710610e4,
                                      2.8729085735721942674e4,
                                      5.2264952788528545610e3};
        return mul_rn(q, ratio(sub_rn(0.180625, mul_rn(q, q)), numerator, denominator));
    }
    const double r = sqrt_rn(-log_rn(p));
    if (r > 5.0) {
        const double numerator[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                    2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                    2.71155556874348757815e-5, 2.01033439929228813265e-7};
        const double denominator[] = {1.0,
                                      5.99832206555887937690e-1,
                                      1.36929880922735805310e-1,
                                      1.48753612908506148525e-2,
                                      7.86869131145613259100e-4,
                                      1.84631831751005468180e-5,
                                      1.42151175831644588870e-7,
                                      2.04426310338993978564e-15};
        return ratio(sub_rn(r, 5.0), numerator, denominator);
    }
    const double numerator[] = {1.42343711074968357734e0,  4.63033784615654529590e0,  5.76949722146069140550e0,
                                3.64784832476320460504e0,  1.27045825245236838258e0,  2.41780725177450611770e-1,
                                2.27238449892691845833e-2, 7.74545014278341407640e-4};
    const double denominator[] = {1.0,
                                  2.05319162663775882187e0,
                                  1.67638483018380384940e0,
                                  6.89767334985100004550e-1,
                                  1.48103976427480074590e-1,
                                  1.51986665636164571966e-2,
                                  5.47593808499534494600e-4,
                                  1.05075007164441684324e-9};
    return ratio(sub_rn(r, 1.6), numerator, denominator);
}
