"""Random numbers on the host: Philox4x64-10 bits, and uniform and normal floats made from them.

Every step from bits to floats is an integer operation or a correctly rounded +, −, ×, ÷ or √, so a CUDA kernel
that follows the same formulas produces the same bits.
"""

from __future__ import annotations

import numpy as np


def words64(seed: int, stream: int, count: int) -> np.ndarray:
    """The first `count` uint64 words of the stream with key (seed, stream) and counter from 1."""
    return np.random.Philox(key=np.array([seed, stream], np.uint64)).random_raw(count)


def _narrow_words(seed, stream, count, dtype):
    per_word = 8 // np.dtype(dtype).itemsize
    return words64(seed, stream, -(-count // per_word)).view(dtype)[:count]


def words32(seed: int, stream: int, count: int) -> np.ndarray:
    """`count` uint32 words: the 64-bit words, low half first."""
    return _narrow_words(seed, stream, count, np.uint32)


def words16(seed: int, stream: int, count: int) -> np.ndarray:
    """`count` uint16 words: the 64-bit words, low quarter first."""
    return _narrow_words(seed, stream, count, np.uint16)


# Significant bits of each narrower float type: a uniform number keeps so many, and never rounds up to 1.
_UNIFORM_BITS = {"float32": 24, "float16": 11, "bfloat16": 8}


def uniform(seed: int, stream: int, count: int, dtype: np.dtype) -> np.ndarray:
    """Uniform in [0, 1): the top bits of a word, as many as `dtype` holds exactly; float32 or float64."""
    if dtype == np.float64:
        return (words64(seed, stream, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    bits = _UNIFORM_BITS[dtype.name]
    words = words32(seed, stream, count) >> np.uint32(32 - bits)
    return words.astype(np.float32) * np.float32(2.0**-bits)


TAIL_2 = 0.022750131948179207  # P(Z > 2): the smallest tail probability of a truncated normal


def normal(seed: int, stream: int, count: int, dtype: np.dtype, truncated: bool = False) -> np.ndarray:
    """Standard normal: a sign bit, and the others as the tail probability p in (0, 1/2].

    In float64 for float64, else in float32. A truncated one has p in (P(Z > 2), 1/2] instead.
    """
    wide = dtype == np.float64
    kind, half = (np.float64, 52) if wide else (np.float32, 31)
    words = words64(seed, stream, count) >> np.uint64(11) if wide else words32(seed, stream, count)
    one = words.dtype.type(1)
    magnitude = (words & ((one << words.dtype.type(half)) - one)).view(np.int64 if wide else np.int32)
    p = (magnitude.astype(kind) + kind(0.5)) * kind(2.0 ** -(half + 1))
    if truncated:
        p = kind(TAIL_2) + p * kind(1 - 2 * TAIL_2)
    sign = np.where(words >> words.dtype.type(half) != 0, kind(-1), kind(1))
    return sign * _upper_quantile(p, _PPND16 if wide else _PPND7)


# The normal quantile by rational functions: M. J. Wichura, "Algorithm AS 241: the percentage points of the normal
# distribution", Applied Statistics 37 (1988). Each pair is numerator and denominator, lowest degree first, for the
# centre |p − 1/2| ≤ 0.425, the tail √−log p ≤ 5 and the far tail.
_PPND7 = (
    (
        (3.3871327179, 50.434271938, 159.29113202, 59.109374720),
        (1.0, 17.895169469, 78.757757664, 67.187563600),
    ),
    ((1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103), (1.0, 0.73700164250, 0.12021132975)),
    ((6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997), (1.0, 0.24197894225, 0.012258202635)),
)
_PPND16 = (
    (
        (
            3.3871328727963666080e0,
            1.3314166789178437745e2,
            1.9715909503065514427e3,
            1.3731693765509461125e4,
            4.5921953931549871457e4,
            6.7265770927008700853e4,
            3.3430575583588128105e4,
            2.5090809287301226727e3,
        ),
        (
            1.0,
            4.2313330701600911252e1,
            6.8718700749205790830e2,
            5.3941960214247511077e3,
            2.1213794301586595867e4,
            3.9307895800092710610e4,
            2.8729085735721942674e4,
            5.2264952788528545610e3,
        ),
    ),
    (
        (
            1.42343711074968357734e0,
            4.63033784615654529590e0,
            5.76949722146069140550e0,
            3.64784832476320460504e0,
            1.27045825245236838258e0,
            2.41780725177450611770e-1,
            2.27238449892691845833e-2,
            7.74545014278341407640e-4,
        ),
        (
            1.0,
            2.05319162663775882187e0,
            1.67638483018380384940e0,
            6.89767334985100004550e-1,
            1.48103976427480074590e-1,
            1.51986665636164571966e-2,
            5.47593808499534494600e-4,
            1.05075007164441684324e-9,
        ),
    ),
    (
        (
            6.65790464350110377720e0,
            5.46378491116411436990e0,
            1.78482653991729133580e0,
            2.96560571828504891230e-1,
            2.65321895265761230930e-2,
            1.24266094738807843860e-3,
            2.71155556874348757815e-5,
            2.01033439929228813265e-7,
        ),
        (
            1.0,
            5.99832206555887937690e-1,
            1.36929880922735805310e-1,
            1.48753612908506148525e-2,
            7.86869131145613259100e-4,
            1.84631831751005468180e-5,
            1.42151175831644588870e-7,
            2.04426310338993978564e-15,
        ),
    ),
)


def _horner(x, coefficients):
    kind = x.dtype.type
    total = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        total *= x
        total += kind(c)
    return total


def _ratio(x, pair):
    return _horner(x, pair[0]) / _horner(x, pair[1])


def _upper_quantile(p, coefficients):
    """The z ≥ 0 with P(Z > z) = p, for p in (0, 1/2]."""
    kind = p.dtype.type
    q = kind(0.5) - p
    z = q * _ratio(kind(0.180625) - q * q, coefficients[0])
    tail = np.flatnonzero(q > kind(0.425))
    r = np.sqrt(-_log(p[tail]))
    far = r > kind(5)
    z[tail] = np.where(far, _ratio(r - kind(5), coefficients[2]), _ratio(r - kind(1.6), coefficients[1]))
    return z


_LOG_BITS = {np.dtype(np.float32): (np.int32, 23, 127), np.dtype(np.float64): (np.int64, 52, 1023)}


def _log(p):
    """Natural logarithm of positive normal floats: exponent·ln 2 + 2·artanh((m − 1) / (m + 1)) as a series."""
    kind = p.dtype.type
    integer, shift, bias = _LOG_BITS[p.dtype]
    bits = p.view(integer)
    exponent = (bits >> integer(shift)) - integer(bias)
    mantissa = ((bits & integer((1 << shift) - 1)) | integer(bias << shift)).view(p.dtype)
    large = mantissa > kind(1.4142135)
    mantissa = np.where(large, mantissa * kind(0.5), mantissa)
    exponent = exponent + large.astype(integer)
    s = (mantissa - kind(1)) / (mantissa + kind(1))
    terms = 6 if p.dtype == np.float32 else 12
    series = _horner(s * s, [1 / (2 * k + 1) for k in range(terms)])
    return exponent.astype(p.dtype) * kind(0.6931471805599453) + kind(2) * s * series
