"""Elementwise functions made of others: angles, special functions, parts of numbers, choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.backend.dtypes import as_dtype, is_float
from gpunet.ops import elementwise as el
from gpunet.ops.indexing import argsort, take_along_axis
from gpunet.ops.operands import cast_to, float_operand, number_or_operand, operand, promote
from gpunet.ops.reduction import all as all_
from gpunet.ops.reduction import cumsum
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import flip
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def cbrt(x: Any) -> Any:
    """The cube root, of negative numbers too."""
    x = float_operand(x)
    size = el.absolute(x)
    zero = el.equal(size, 0)
    root = el.exp(el.divide(el.log(el.where(zero, 1.0, size)), 3.0))
    # One step of Newton's method brings the last digits.
    root = el.divide(el.add(el.multiply(root, 2.0), el.divide(size, el.square(root))), 3.0)
    return el.where(zero, 0.0, el.multiply(el.sign(x), root))


@symbolic_op
def deg2rad(x: Any) -> Any:
    """Degrees in radians."""
    return el.multiply(float_operand(x), math.pi / 180)


@symbolic_op
def rad2deg(x: Any) -> Any:
    """Radians in degrees."""
    return el.multiply(float_operand(x), 180 / math.pi)


@symbolic_op
def hypot(x1: Any, x2: Any) -> Any:
    """√(x1² + x2²), without overflow; gradient 0 at 0."""
    x1, x2 = (el.absolute(x) for x in promote(float_operand(x1), float_operand(x2)))
    large, small = el.maximum(x1, x2), el.minimum(x1, x2)
    some = el.greater(large, 0)
    ratio = el.divide(small, el.where(some, large, 1.0))
    return el.where(some, el.multiply(large, el.sqrt(el.add(el.square(ratio), 1.0))), 0.0)


@symbolic_op
def heaviside(x1: Any, x2: Any) -> Any:
    """0 where x1 is negative, 1 where it is positive, x2 where it is 0."""
    x1, x2 = promote(float_operand(x1), x2)
    return el.where(el.equal(x1, 0), x2, cast_to(el.greater(x1, 0), x1.dtype))


@symbolic_op
def sinc(x: Any) -> Any:
    """sin(πx) / (πx), 1 at 0."""
    x = el.multiply(float_operand(x), math.pi)
    zero = el.equal(x, 0)
    return el.where(zero, 1.0, el.divide(el.sin(x), el.where(zero, 1.0, x)))


@symbolic_op
def fabs(x: Any) -> Any:
    """|x| as a float."""
    return el.absolute(float_operand(x))


def _ignoring_nan(choose: Any, x1: Any, x2: Any) -> Any:
    x1, x2 = promote(operand(x1), operand(x2))
    return el.where(el.isnan(x1), x2, el.where(el.isnan(x2), x1, choose(x1, x2)))


@symbolic_op
def fmax(x1: Any, x2: Any) -> Any:
    """The larger of x1 and x2; where one is NaN, the other."""
    return _ignoring_nan(el.maximum, x1, x2)


@symbolic_op
def fmin(x1: Any, x2: Any) -> Any:
    """The smaller of x1 and x2; where one is NaN, the other."""
    return _ignoring_nan(el.minimum, x1, x2)


@symbolic_op
def fmod(x1: Any, x2: Any) -> Any:
    """The remainder of x1 / x2 with the sign of x1."""
    x1, x2 = promote(operand(x1), x2)
    return el.multiply(el.sign(x1), el.mod(el.absolute(x1), el.absolute(x2)))


@symbolic_op
def ldexp(x1: Any, x2: Any) -> Any:
    """x1·2^x2 for an integer x2."""
    x1 = float_operand(x1)
    return el.multiply(x1, el.exp2(cast_to(operand(x2), x1.dtype)))


@symbolic_op
def logaddexp2(x1: Any, x2: Any) -> Any:
    """log₂(2^x1 + 2^x2) without overflow."""
    x1, x2 = promote(float_operand(x1), float_operand(x2))
    log2 = math.log(2)
    return el.divide(el.logaddexp(el.multiply(x1, log2), el.multiply(x2, log2)), log2)


@symbolic_op
def signbit(x: Any) -> Any:
    """True where x is negative, −0 included."""
    x = operand(x)
    if not is_float(x.dtype):
        return el.less(x, 0) if x.dtype.kind == "i" else el.not_equal(x, x)
    return el.less(el.arctan2(x, -1.0), 0)  # −π for −0, and π for 0


@symbolic_op
def isposinf(x: Any) -> Any:
    """True where x is +∞."""
    return el.equal(float_operand(x), math.inf)


@symbolic_op
def isneginf(x: Any) -> Any:
    """True where x is −∞."""
    return el.equal(float_operand(x), -math.inf)


@symbolic_op
def isreal(x: Any) -> Any:
    """True everywhere: there are no complex tensors."""
    return el.ones_like(operand(x), "bool")


@symbolic_op
def real(x: Any) -> Any:
    """x: there are no complex tensors."""
    return operand(x)


@symbolic_op
def imag(x: Any) -> Any:
    """Zeros: there are no complex tensors."""
    return el.zeros_like(operand(x))


@symbolic_op
def conjugate(x: Any) -> Any:
    """x: there are no complex tensors."""
    return operand(x)


conj = conjugate


@symbolic_op
def angle(x: Any) -> Any:
    """0 for numbers that are not negative, π for the others."""
    x = float_operand(x)
    return el.where(el.less(x, 0), math.pi, el.zeros_like(x))


@symbolic_op
def erfc(x: Any) -> Any:
    """1 − erf(x)."""
    return el.subtract(1.0, el.erf(float_operand(x)))


# Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011), in powers of w = −log(1 − x²) around 2.5, and
# of √w around 3 where w ≥ 5.
_CENTRAL = [
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
]
_TAIL = [
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
]


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    found: Any = coefficients[0]
    for c in coefficients[1:]:
        found = el.add(el.multiply(x, found), c)
    return found


@symbolic_op
def erfinv(x: Any) -> Any:
    """The inverse of the error function, on (−1, 1): ±∞ at its ends, NaN beyond them."""
    x = float_operand(x)
    inside = el.less(el.absolute(x), 1)
    safe = el.where(inside, x, 0.0)
    w = el.negative(el.stop_gradient(el.log(el.multiply(el.subtract(1.0, safe), el.add(1.0, safe)))))
    central = _polynomial(_CENTRAL, el.subtract(w, 2.5))
    tail = _polynomial(_TAIL, el.subtract(el.sqrt(el.maximum(w, 5.0)), 3.0))
    y = el.stop_gradient(el.multiply(el.where(el.less(w, 5), central, tail), safe))
    for _ in range(3):
        # Newton's method: exact, and a gradient of any order flows through its steps.
        slope = el.multiply(el.exp(el.negative(el.square(y))), 2 / math.sqrt(math.pi))
        y = el.subtract(y, el.divide(el.subtract(el.erf(y), safe), slope))
    edge = el.where(el.equal(el.absolute(x), 1), el.multiply(el.sign(x), math.inf), math.nan)
    return el.where(inside, y, el.stop_gradient(edge))


@symbolic_op
def gcd(x1: Any, x2: Any) -> Any:
    """The greatest common divisor of integers."""
    x1, x2 = (el.absolute(x) for x in promote(operand(x1), operand(x2)))
    # Euclid's algorithm: F(93) is the first Fibonacci number beyond 63 bits, so that 92 steps always do.
    for _ in range(46 if x1.dtype.itemsize <= 4 else 92):
        zero = el.equal(x2, 0)
        x1, x2 = el.where(zero, x1, x2), el.where(zero, 0, el.mod(x1, el.where(zero, 1, x2)))
    return x1


@symbolic_op
def lcm(x1: Any, x2: Any) -> Any:
    """The least common multiple of integers, 0 where one is 0."""
    x1, x2 = (el.absolute(x) for x in promote(operand(x1), operand(x2)))
    divisor = gcd(x1, x2)
    return el.multiply(el.floor_divide(x1, el.maximum(divisor, 1)), x2)


# Chebyshev coefficients of e^−|x|·I₀(x) on [0, 8] and of √x·e^−x·I₀(x) beyond are long; the two series below, the power
# series up to 15 and the asymptotic one beyond, reach 1e-7 relative.
@symbolic_op
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind and order 0, to single precision."""
    x = float_operand(x)
    size = el.absolute(x)
    quarter = el.multiply(el.square(el.minimum(size, 15.0)), 0.25)
    series: Any = el.ones_like(size)
    for k in range(32, 0, -1):
        series = el.add(el.multiply(series, el.multiply(quarter, 1.0 / k**2)), 1.0)
    far = el.maximum(size, 15.0)
    term, total = el.ones_like(far), el.ones_like(far)
    for k in range(1, 12):
        term = el.multiply(term, el.divide((2 * k - 1) ** 2 / (8.0 * k), far))
        total = el.add(total, term)
    beyond = el.divide(el.multiply(el.exp(far), total), el.sqrt(el.multiply(far, 2 * math.pi)))
    return el.where(el.less(size, 15.0), series, beyond)


@symbolic_op
def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """True if all elements are close, as `isclose` says."""
    return all_(el.isclose(x1, x2, rtol, atol, equal_nan))


@symbolic_op
def saturate_cast(x: Any, dtype: Any) -> Any:
    """x in another dtype, limited to what it holds."""
    x, target = operand(x), as_dtype(dtype)
    if target.kind in "iu":
        limits = np.iinfo(target)
        low, high = limits.min, limits.max
        if is_float(x.dtype):
            x = el.clip(x, float(low), float(np.nextafter(float(high), 0)) if high > 2**31 else float(high))
        else:
            own = np.iinfo(x.dtype) if x.dtype.kind in "iu" else np.iinfo("int8")
            x = el.clip(x, max(low, int(own.min)), min(high, int(own.max)))
    return cast_to(x, target)


@symbolic_op
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Of several arrays, the element of the first whose condition holds, else the default.

    Raises:
        ValueError: if there are not as many conditions as choices, or none.
    """
    if not condlist or len(condlist) != len(choicelist):
        raise ValueError(
            f"select expected as many conditions as choices, at least one. "
            f"Received: {len(condlist)} conditions, {len(choicelist)} choices"
        )
    found = number_or_operand(default)
    for condition, choice in zip(reversed(condlist), reversed(choicelist)):
        found = el.where(condition, choice, found)
    return found


@symbolic_op
def squareplus(x: Any, b: float = 4) -> Any:
    """(x + √(x² + b)) / 2 (Barron, arXiv:2112.11687)."""
    x = float_operand(x)
    return el.multiply(el.add(x, el.sqrt(el.add(el.square(x), float(b)))), 0.5)


@symbolic_op
def sparse_plus(x: Any) -> Any:
    """0 below −1, (x + 1)²/4 up to 1, x beyond."""
    x = float_operand(x)
    curve = el.multiply(el.square(el.add(x, 1.0)), 0.25)
    return el.where(el.less_equal(x, -1), 0.0, el.where(el.less(x, 1), curve, x))


@symbolic_op
def sparse_sigmoid(x: Any) -> Any:
    """(x + 1)/2 limited to [0, 1]."""
    return el.clip(el.multiply(el.add(float_operand(x), 1.0), 0.5), 0.0, 1.0)


@symbolic_op
def sparsemax(x: Any, axis: int = -1) -> Any:
    """The point of the probability simplex nearest to x, which has zeros (Martins and Astudillo, arXiv:1602.02068)."""
    x = float_operand(x)
    order = flip(argsort(x, axis), axis)
    descending = take_along_axis(x, order, axis)
    ranks = cumsum(el.ones_like(el.stop_gradient(descending)), axis)
    totals = cumsum(descending, axis)
    kept = el.greater(el.add(el.multiply(descending, ranks), 1.0), totals)
    count = sum_(cast_to(kept, x.dtype), axis, keepdims=True)
    total = sum_(el.where(kept, descending, 0.0), axis, keepdims=True)
    return el.maximum(el.subtract(x, el.divide(el.subtract(total, 1.0), count)), 0.0)


bitwise_invert = el.bitwise_not
bitwise_left_shift = el.left_shift
bitwise_right_shift = el.right_shift
