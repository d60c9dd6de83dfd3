"""Elementwise mathematics and comparisons: broadcasting, Keras's promotion, gradients of any order."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import ml_dtypes

from gpunet.autograd.apply import apply
from gpunet.autograd.fast import binary, unary
from gpunet.autograd.tape import Gradient
from gpunet.autograd.tensor import Tensor
from gpunet.backend.dtypes import BOOL
from gpunet.backend.primitive import Primitive
from gpunet.backend.primitives import elementwise as prim
from gpunet.ops.operands import (
    cast_to,
    float_operand,
    is_float,
    number_or_operand,
    operand,
    promote,
)
from gpunet.ops.value_shaped import nonzero
from gpunet.symbolic.ops import call_if_symbolic, symbolic_op


def _finish(op: Callable, name: str, doc: str) -> Callable:
    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    op.__module__ = __name__
    return op


def _local(saves: str, *rules: Callable | Primitive | None) -> Gradient:
    """The gradient by rules that are functions, or by primitives of the cotangent and one saved value each."""
    by = tuple([rule for rule in rules if isinstance(rule, Primitive)])
    return Gradient(by=by, saves=saves) if by else Gradient(rules, saves)


def _float_unary(name: str, doc: str, saves: str, rule: Callable | Primitive) -> Callable:
    """A function of one operand whose result is a float; integers are converted to `floatx()` first."""
    primitive = prim.UNARY[name]
    primitive.gradient = _local(saves, rule)

    def general(x):
        symbolic = call_if_symbolic(op, (x,), {})
        return apply(primitive, float_operand(x)) if symbolic is None else symbolic

    op = _finish(unary(primitive, general), name, f"{doc} Elementwise; integers become `floatx()`.")
    return op


def _unary(
    name: str, doc: str, saves: str = "", rule: Callable | Primitive | None = None, counts_bools: bool = False
) -> Callable:
    """A function of one operand that keeps its dtype; `counts_bools` makes bools int32."""
    primitive = prim.UNARY[name]
    primitive.gradient = _local(saves, rule or (lambda g: zeros_like(g)))

    def general(x):
        symbolic = call_if_symbolic(op, (x,), {})
        if symbolic is not None:
            return symbolic
        x = operand(x)
        return apply(primitive, _counted(x) if counts_bools else x)

    op = _finish(unary(primitive, general), name, f"{doc} Elementwise; keeps the dtype.")
    return op


def _counted(x: Any) -> Any:
    """Bools as int32, everything else as it is."""
    return cast_to(x, "int32") if getattr(x, "dtype", None) == BOOL else x


def _binary(
    name: str,
    doc: str,
    saves: str,
    rules: tuple[Callable | Primitive | None, ...],
    to_float: bool = False,
    counts_bools: bool = False,
) -> Callable:
    """A function of two operands that are promoted to their common dtype; `counts_bools` makes bools int32."""
    primitive = prim.BINARY[name]
    primitive.gradient = _local(saves, *rules)

    def general(x1, x2):
        symbolic = call_if_symbolic(op, (x1, x2), {})
        if symbolic is not None:
            return symbolic
        operands = promote(x1, x2, to_float=to_float)
        return apply(primitive, *(map(_counted, operands) if counts_bools else operands))

    op = _finish(binary(primitive, general), name, f"{doc} Elementwise with broadcasting and promotion.")
    return op


def _bitwise(name: str, doc: str, counts_bools: bool = False) -> Callable:
    """A function of the bits of two integer or bool operands."""
    primitive = prim.BINARY[name]

    def op(x, y):
        symbolic = call_if_symbolic(op, (x, y), {})
        if symbolic is not None:
            return symbolic
        operands = promote(x, y)
        for part in operands:
            if isinstance(part, float) or (hasattr(part, "dtype") and part.dtype.kind not in "iub"):
                kinds = [getattr(v, "dtype", type(v).__name__) for v in (x, y)]
                raise TypeError(f"{name} expected integers or bools. Received: {kinds[0]} and {kinds[1]}")
        return apply(primitive, *(map(_counted, operands) if counts_bools else operands))

    return _finish(op, name, f"{doc} Elementwise with broadcasting and promotion.")


def _compare(name: str, doc: str, promoted: bool = True) -> Callable:
    primitive = prim.BINARY_BOOL[name]

    def op(x1, x2):
        symbolic = call_if_symbolic(op, (x1, x2), {})
        if symbolic is not None:
            return symbolic
        if not promoted:
            return apply(primitive, operand(x1), number_or_operand(x2))
        return apply(primitive, *promote(x1, x2))

    return _finish(op, name, f"{doc} Elementwise, a bool result.")


def _predicate(name: str, doc: str) -> Callable:
    primitive = prim.UNARY_BOOL[name]

    def op(x):
        symbolic = call_if_symbolic(op, (x,), {})
        return apply(primitive, operand(x)) if symbolic is None else symbolic

    return _finish(op, name, f"{doc} Elementwise, a bool result.")


def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros of x's shape and device, in its dtype unless `dtype` is given."""
    return _filled(prim.zeros_like, zeros_like, x, dtype)


def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones of x's shape and device, in its dtype unless `dtype` is given."""
    return _filled(prim.ones_like, ones_like, x, dtype)


def _filled(primitive, op, x, dtype):
    symbolic = call_if_symbolic(op, (x, dtype), {})
    if symbolic is not None:
        return symbolic
    filled = apply(primitive, operand(x))
    return filled if dtype is None else cast_to(filled, dtype)


_MULTIPLY, _DIVIDE = prim.BINARY["multiply"], prim.BINARY["divide"]

negative = _unary("negative", "−x.", "", lambda g: negative(g))
absolute = _unary("absolute", "|x|, with gradient 0 at 0.", "x", lambda g, x: multiply(g, sign(x)))
sign = _unary("sign", "−1, 0 or 1, the sign of x.")
square = _unary("square", "x².", "x", lambda g, x: multiply(g, multiply(x, 2)), counts_bools=True)
floor = _float_unary("floor", "The largest integer ≤ x.", "", lambda g: zeros_like(g))
ceil = _float_unary("ceil", "The smallest integer ≥ x.", "", lambda g: zeros_like(g))
trunc = _unary("trunc", "x without its fraction.")
rint = _unary("rint", "The nearest integer, halves to even.")
bitwise_not = _unary("invert", "Bits inverted, of integers and bools.")

reciprocal = _float_unary("reciprocal", "1 / x.", "o", lambda g, y: negative(multiply(g, square(y))))
exp = _float_unary("exp", "e^x.", "o", _MULTIPLY)
exp2 = _float_unary("exp2", "2^x.", "o", lambda g, y: multiply(g, multiply(y, math.log(2))))
expm1 = _float_unary("expm1", "e^x − 1, exact near 0.", "o", lambda g, y: multiply(g, add(y, 1)))
log = _float_unary("log", "Natural logarithm.", "x", _DIVIDE)
log1p = _float_unary("log1p", "log(1 + x), exact near 0.", "x", lambda g, x: divide(g, add(x, 1)))
log2 = _float_unary("log2", "Base-2 logarithm.", "x", lambda g, x: divide(g, multiply(x, math.log(2))))
log10 = _float_unary("log10", "Base-10 logarithm.", "x", lambda g, x: divide(g, multiply(x, math.log(10))))
sqrt = _float_unary("sqrt", "√x.", "o", lambda g, y: divide(multiply(g, 0.5), y))
rsqrt = _float_unary("rsqrt", "1 / √x.", "o", lambda g, y: multiply(multiply(g, -0.5), multiply(y, square(y))))
sin = _float_unary("sin", "Sine of x in radians.", "x", lambda g, x: multiply(g, cos(x)))
cos = _float_unary("cos", "Cosine of x in radians.", "x", lambda g, x: negative(multiply(g, sin(x))))
tan = _float_unary("tan", "Tangent of x in radians.", "o", lambda g, y: multiply(g, add(square(y), 1)))
arcsin = _float_unary("arcsin", "Inverse sine.", "x", lambda g, x: multiply(g, rsqrt(subtract(1.0, square(x)))))
arccos = _float_unary(
    "arccos", "Inverse cosine.", "x", lambda g, x: negative(multiply(g, rsqrt(subtract(1.0, square(x)))))
)
arctan = _float_unary("arctan", "Inverse tangent.", "x", lambda g, x: divide(g, add(square(x), 1)))
sinh = _float_unary("sinh", "Hyperbolic sine.", "x", lambda g, x: multiply(g, cosh(x)))
cosh = _float_unary("cosh", "Hyperbolic cosine.", "x", lambda g, x: multiply(g, sinh(x)))
tanh = _float_unary("tanh", "Hyperbolic tangent.", "o", prim.tanh_grad)
arcsinh = _float_unary("arcsinh", "Inverse hyperbolic sine.", "x", lambda g, x: multiply(g, rsqrt(add(square(x), 1))))
arccosh = _float_unary(
    "arccosh", "Inverse hyperbolic cosine.", "x", lambda g, x: multiply(g, rsqrt(subtract(square(x), 1)))
)
arctanh = _float_unary("arctanh", "Inverse hyperbolic tangent.", "x", lambda g, x: divide(g, subtract(1.0, square(x))))
sigmoid = _float_unary("sigmoid", "1 / (1 + e^−x).", "o", prim.sigmoid_grad)
softplus = _float_unary("softplus", "log(1 + e^x).", "x", lambda g, x: multiply(g, sigmoid(x)))
erf = _float_unary(
    "erf",
    "The error function 2/√π ∫₀ˣ exp(−t²) dt.",
    "x",
    lambda g, x: multiply(g, multiply(exp(negative(square(x))), 2 / math.sqrt(math.pi))),
)
relu = _unary("relu", "max(x, 0), with gradient 0 at 0.", "o", prim.relu_grad, counts_bools=True)

add = _binary("add", "x1 + x2.", "", (lambda g: g, lambda g: g))
subtract = _binary("subtract", "x1 − x2.", "", (lambda g: g, lambda g: negative(g)))
multiply = _binary("multiply", "x1 · x2.", "yx", (_MULTIPLY, _MULTIPLY))
divide = _binary(
    "divide",
    "x1 / x2; integers become `floatx()`.",
    "yo",
    (lambda g, y, o: divide(g, y), lambda g, y, o: negative(divide(multiply(g, o), y))),
    to_float=True,
)
floor_divide = _binary(
    "floor_divide", "⌊x1 / x2⌋.", "", (lambda g: zeros_like(g), lambda g: zeros_like(g)), counts_bools=True
)
mod = _binary(
    "mod",
    "x1 − x2·⌊x1 / x2⌋, with the sign of x2.",
    "xy",
    (lambda g, x, y: g, lambda g, x, y: negative(multiply(g, floor_divide(x, y)))),
    counts_bools=True,
)
power = _binary(
    "power",
    "x1 to the power x2.",
    "xyo",
    (lambda g, x, y, o: _power_grad_base(g, x, y), lambda g, x, y, o: _power_grad_exponent(g, x, o)),
    counts_bools=True,
)
maximum = _binary(
    "maximum",
    "The larger of x1 and x2; equal operands share the gradient.",
    "xy",
    (lambda g, x, y: _share(g, x, y), lambda g, x, y: _share(g, y, x)),
)
minimum = _binary(
    "minimum",
    "The smaller of x1 and x2; equal operands share the gradient.",
    "xy",
    (lambda g, x, y: _share(g, y, x), lambda g, x, y: _share(g, x, y)),
)
arctan2 = _binary(
    "arctan2",
    "The angle of the point (x2, x1), in (−π, π].",
    "xy",
    (
        lambda g, x, y: divide(multiply(g, y), add(square(x), square(y))),
        lambda g, x, y: negative(divide(multiply(g, x), add(square(x), square(y)))),
    ),
    to_float=True,
)
logaddexp = _binary(
    "logaddexp",
    "log(exp(x1) + exp(x2)) without overflow.",
    "xyo",
    (
        lambda g, x, y, o: multiply(g, exp(subtract(x, o))),
        lambda g, x, y, o: multiply(g, exp(subtract(y, o))),
    ),
    to_float=True,
)
bitwise_and = _bitwise("bitwise_and", "Bitwise and of integers or bools.")
bitwise_or = _bitwise("bitwise_or", "Bitwise or of integers or bools.")
bitwise_xor = _bitwise("bitwise_xor", "Bitwise exclusive or of integers or bools.")
left_shift = _bitwise("left_shift", "x1 shifted left by x2 bits.", counts_bools=True)
right_shift = _bitwise("right_shift", "x1 shifted right by x2 bits.", counts_bools=True)

equal = _compare("equal", "x1 == x2.")
not_equal = _compare("not_equal", "x1 != x2.")
less = _compare("less", "x1 < x2.")
less_equal = _compare("less_equal", "x1 <= x2.")
greater = _compare("greater", "x1 > x2.")
greater_equal = _compare("greater_equal", "x1 >= x2.")
logical_and = _compare("logical_and", "x1 and x2.", promoted=False)
logical_or = _compare("logical_or", "x1 or x2.", promoted=False)
logical_xor = _compare("logical_xor", "x1 exclusive-or x2.", promoted=False)
logical_not = _predicate("logical_not", "not x.")
isfinite = _predicate("isfinite", "True where x is neither infinite nor NaN.")
isnan = _predicate("isnan", "True where x is NaN.")
isinf = _predicate("isinf", "True where x is infinite.")

abs = absolute
true_divide = divide
logical_invert = logical_not


def _grad_primitive(primitive, rules: tuple[Callable | None, ...]) -> Callable:
    primitive.gradient = Gradient(rules, "xy")
    return binary(primitive, lambda g, y: apply(primitive, g, y))


relu_grad = _grad_primitive(prim.relu_grad, (lambda h, g, y: relu_grad(h, y), None))
_tanh_grad = _grad_primitive(
    prim.tanh_grad,
    (lambda h, g, y: _tanh_grad(h, y), lambda h, g, y: multiply(multiply(h, g), multiply(y, -2))),
)
_sigmoid_grad = _grad_primitive(
    prim.sigmoid_grad,
    (
        lambda h, g, y: _sigmoid_grad(h, y),
        lambda h, g, y: multiply(multiply(h, g), subtract(1.0, multiply(y, 2))),
    ),
)


def _power_grad_base(g, x, y):
    """g·y·x^(y−1), 0 where y is 0 even at x = 0."""
    if isinstance(y, int | float):
        return multiply(g, multiply(power(x, y - 1), y)) if y != 0 else zeros_like(g)
    return multiply(g, multiply(power(x, where(equal(y, 0), 1.0, subtract(y, 1))), y))


def _power_grad_exponent(g, x, o):
    """g·x^y·log x, 0 where x ≤ 0."""
    if isinstance(x, int | float):
        return multiply(g, multiply(o, math.log(x))) if x > 0 else zeros_like(g)
    positive = greater(x, 0)
    return multiply(g, multiply(o, where(positive, log(where(positive, x, 1.0)), 0.0)))


def _share(g, winner, loser):
    """g where winner > loser, half of it where they are equal."""
    won = add(cast_to(greater(winner, loser), g.dtype), multiply(cast_to(equal(winner, loser), g.dtype), 0.5))
    return multiply(g, won)


@symbolic_op
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """x1 where `condition`, else x2, broadcast together and promoted; the indices of the true elements without both."""
    if x1 is None and x2 is None:
        return nonzero(condition)
    if x1 is None or x2 is None:
        raise ValueError("where expected both x1 and x2. Received: one of them is None")
    return apply(prim.where, operand(condition), *promote(x1, x2))


prim.where.gradient = Gradient((None, lambda g, c: where(c, g, 0.0), lambda g, c: where(c, 0.0, g)), "x")


@symbolic_op
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """x limited to [x_min, x_max]; the gradient passes inside and on the bounds."""
    if type(x_min) in (int, float) and type(x_max) in (int, float):
        return apply(prim.clip, *promote(x, x_min, x_max))
    return minimum(maximum(x, x_min), x_max)


prim.clip.gradient = Gradient(
    (
        lambda g, x, lo, hi: multiply(g, cast_to(logical_and(greater_equal(x, lo), less_equal(x, hi)), g.dtype)),
        None,
        None,
    ),
    "xyz",
)


@symbolic_op
def cast(x: Any, dtype: Any) -> Any:
    """x converted to `dtype`; differentiable between floats."""
    return cast_to(operand(x), dtype)


def _cast_gradient(g, record):
    source = record.dtype
    return (cast_to(g, source) if source.kind not in "iub" else None,)


prim.cast.gradient = Gradient(vjp=_cast_gradient)


@symbolic_op
def copy(x: Any) -> Any:
    """A copy of x."""
    return apply(prim.copy, operand(x))


prim.copy.gradient = Gradient((lambda g: g,))


@symbolic_op
def round(x: Any, decimals: int = 0) -> Any:
    """x rounded to `decimals` decimals, halves to even; the gradient is 0. Keeps the dtype."""
    x = operand(x)
    if not is_float(x.dtype):
        return copy(x) if decimals >= 0 else cast_to(round(cast_to(x, "float64"), decimals), x.dtype)
    if decimals == 0:
        return rint(x)
    scale = 10.0 ** builtins.abs(decimals)
    if decimals < 0:
        return multiply(rint(divide(x, scale)), scale)
    return divide(rint(multiply(x, scale)), scale)


@symbolic_op
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """x1 / x2, and 0 where x2 is 0."""
    x1, x2 = promote(x1, x2, to_float=True)
    if isinstance(x2, int | float):
        return divide(x1, x2) if x2 else zeros_like(x1)
    zero = equal(x2, 0)
    return where(zero, 0.0, divide(x1, where(zero, 1.0, x2)))


@symbolic_op
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """x with NaN and infinities replaced; the dtype's largest numbers where posinf or neginf is None."""
    x = operand(x)
    if not is_float(x.dtype):
        return copy(x)
    largest = float(ml_dtypes.finfo(x.dtype).max)
    x = where(isnan(x), nan, x)
    x = where(equal(x, math.inf), largest if posinf is None else posinf, x)
    return where(equal(x, -math.inf), -largest if neginf is None else neginf, x)


@symbolic_op
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """True where |x1 − x2| ≤ atol + rtol·|x2|, and for equal infinities."""
    x1, x2 = promote(x1, x2, to_float=True)
    finite = logical_and(isfinite(x1), isfinite(x2))
    a, b = where(finite, x1, 0.0), where(finite, x2, 0.0)  # inf − inf would be NaN
    near = less_equal(absolute(subtract(a, b)), add(multiply(absolute(b), rtol), atol))
    close = logical_or(equal(x1, x2), logical_and(finite, near))
    return logical_or(close, logical_and(isnan(x1), isnan(x2))) if equal_nan else close


@symbolic_op
def stop_gradient(variable: Any) -> Any:
    """The value of a tensor or variable as a constant: no gradient flows through."""
    x = operand(variable)
    return x.detach() if isinstance(x, Tensor) else x
