"""Reductions, statistics and scans. `axis` is None for all, an int or a tuple; negative axes count from the end."""

from __future__ import annotations

import math
from typing import Any

from gpunet.autograd.apply import apply
from gpunet.autograd.tape import Gradient
from gpunet.backend.dtypes import BOOL, as_dtype
from gpunet.backend.primitives import reduction as prim
from gpunet.backend.primitives import shape as shape_prim
from gpunet.ops import elementwise as el
from gpunet.ops.operands import (
    as_shape,
    cast_to,
    float_operand,
    normalize_axes,
    normalize_axis,
    operand,
)
from gpunet.ops.views import flip, reshape
from gpunet.symbolic.ops import symbolic_op

_NARROW = frozenset(map(as_dtype, ("bool", "uint8", "uint16", "int8", "int16")))


@symbolic_op
def broadcast_to(x: Any, shape: Any) -> Any:
    """x repeated along axes of size 1 and new leading axes to `shape`.

    Raises:
        ValueError: if the shapes do not broadcast.
    """
    x, shape = operand(x), as_shape(shape)
    if x.shape == shape:
        return x
    if len(shape) < x.ndim or False in [n in (1, m) for n, m in zip(x.shape[::-1], shape[::-1])]:
        raise ValueError(f"cannot broadcast shape {x.shape} to {shape}")
    return apply(shape_prim.broadcast_to, x, shape=shape)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """The adjoint of broadcasting `shape` to g's shape: g summed over the axes that were repeated."""
    lead = len(g.shape) - len(shape)
    axes = (*range(lead), *(d + lead for d, n in enumerate(shape) if n == 1 and g.shape[d + lead] != 1))
    summed = apply(prim.sum, g, axis=axes, keepdims=False) if axes else g
    return reshape(summed, shape)


shape_prim.broadcast_to.gradient = Gradient(vjp=lambda g, r: (unbroadcast(g, r.shapes[0]),))


def _summable(x: Any) -> Any:
    """Narrow integers and bools as (u)int32, in which Keras sums them."""
    x = operand(x)
    if x.dtype in _NARROW:
        return cast_to(x, "uint32" if x.dtype.kind == "u" else "int32")
    return x


def _kept(value, r):
    """The result of a reduction with the reduced axes back as 1, or as it is where it is a scalar."""
    if value.shape == ():
        return value
    return reshape(value, prim.reduced_shape(r.shapes[0], r.attributes["axis"], True))


@symbolic_op
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum over `axis`; bools and narrow integers are summed in 32 bits."""
    x = _summable(x)
    return apply(prim.sum, x, axis=normalize_axes(axis, x.ndim), keepdims=keepdims)


prim.sum.gradient = Gradient(vjp=lambda g, r: (broadcast_to(_kept(g, r), r.shapes[0]),))


@symbolic_op
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The arithmetic mean over `axis`; integers become `floatx()`."""
    x = float_operand(x)
    return apply(prim.mean, x, axis=normalize_axes(axis, x.ndim), keepdims=keepdims)


def _mean_gradient(g, r):
    shape = r.shapes[0]
    axes = range(len(shape)) if r.attributes["axis"] is None else r.attributes["axis"]
    count = math.prod(shape[d] for d in axes)
    return (broadcast_to(el.multiply(_kept(g, r), 1.0 / count if count else math.nan), shape),)


prim.mean.gradient = Gradient(vjp=_mean_gradient)


@symbolic_op
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The largest element over `axis`, at least `initial`; equal elements share the gradient.

    Raises:
        ValueError: if there are no elements and no `initial`.
    """
    return _extreme(prim.amax, el.maximum, x, axis, keepdims, initial)


@symbolic_op
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The smallest element over `axis`, at most `initial`; equal elements share the gradient.

    Raises:
        ValueError: if there are no elements and no `initial`.
    """
    return _extreme(prim.amin, el.minimum, x, axis, keepdims, initial)


def _extreme(primitive, combine, x, axis, keepdims, initial):
    x = operand(x)
    axes = normalize_axes(axis, x.ndim)
    if initial is not None and x.size == 0:
        return el.add(apply(prim.sum, x, axis=axes, keepdims=keepdims), initial)
    primitive.infer(x, axis=axes)
    result = apply(primitive, x, axis=axes, keepdims=keepdims)
    return result if initial is None else combine(result, initial)


def _extreme_gradient(g, r):
    x = r.inputs[0]
    won = cast_to(el.equal(x, _kept(r.out, r)), x.dtype)
    ties = sum(won, axis=r.attributes["axis"], keepdims=True)
    return (el.multiply(won, el.divide(_kept(g, r), ties)),)


prim.amax.gradient = Gradient(vjp=_extreme_gradient, saves="xo")
prim.amin.gradient = Gradient(vjp=_extreme_gradient, saves="xo")


@symbolic_op
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The product over `axis`; narrow integers multiply in 32 bits.

    The first derivative holds everywhere, the second where no element is 0.
    """
    x = _summable(x) if dtype is None else el.cast(x, dtype)
    return apply(prim.prod, x, axis=normalize_axes(axis, x.ndim), keepdims=keepdims)


def _prod_gradient(g, r):
    """g times the product of the other elements: of the nonzero ones, divided by x where no element is 0."""
    x, axis = r.inputs[0], r.attributes["axis"]
    zero = el.equal(x, 0)
    zeros = sum(zero, axis, keepdims=True)
    nonzero = el.where(zero, 1.0, x)
    rest = el.divide(apply(prim.prod, nonzero, axis=axis, keepdims=True), nonzero)
    alone = el.logical_or(el.equal(zeros, 0), el.logical_and(el.equal(zeros, 1), zero))
    return (el.multiply(el.where(alone, rest, 0.0), _kept(g, r)),)


prim.prod.gradient = Gradient(vjp=_prod_gradient, saves="x")


@symbolic_op
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """True where any element over `axis` is not zero."""
    x = cast_to(operand(x), BOOL)
    return apply(prim.any, x, axis=normalize_axes(axis, x.ndim), keepdims=keepdims)


@symbolic_op
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """True where every element over `axis` is not zero."""
    x = cast_to(operand(x), BOOL)
    return apply(prim.all, x, axis=normalize_axes(axis, x.ndim), keepdims=keepdims)


@symbolic_op
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the first largest element along `axis` (None: of the flattened array), int32."""
    return _arg(prim.argmax, x, axis, keepdims)


@symbolic_op
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the first smallest element along `axis` (None: of the flattened array), int32."""
    return _arg(prim.argmin, x, axis, keepdims)


def _arg(primitive, x, axis, keepdims):
    x = operand(x)
    if axis is None:
        index = apply(primitive, reshape(x, (-1,)), axis=0, keepdims=False)
        return reshape(index, (1,) * x.ndim) if keepdims else index
    return apply(primitive, x, axis=normalize_axis(axis, x.ndim), keepdims=keepdims)


@symbolic_op
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The biased variance over `axis`: the mean of squared deviations."""
    x = float_operand(x)
    return mean(el.square(el.subtract(x, mean(x, axis, keepdims=True))), axis, keepdims)


@symbolic_op
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The biased standard deviation over `axis`."""
    return el.sqrt(var(x, axis, keepdims))


@symbolic_op
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """The mean and the biased variance over `axes`; 16-bit floats are reduced in float32.

    Raises:
        NotImplementedError: with `synchronized=True`, which needs several devices.
    """
    if synchronized:
        raise NotImplementedError("moments: synchronized=True needs several devices.")
    x = float_operand(x)
    wide = cast_to(x, "float32") if x.dtype.itemsize == 2 else x
    return cast_to(mean(wide, axes, keepdims), x.dtype), cast_to(var(wide, axes, keepdims), x.dtype)


@symbolic_op
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log Σ exp(x) over `axis`, without overflow."""
    x = float_operand(x)
    top = el.stop_gradient(max(x, axis, keepdims=True))
    top = el.where(el.isfinite(top), top, 0.0)
    total = el.add(el.log(sum(el.exp(el.subtract(x, top)), axis, keepdims=True)), top)
    return reshape(total, prim.reduced_shape(x.shape, normalize_axes(axis, x.ndim), keepdims))


@symbolic_op
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """The number of elements over `axis` that are not zero, int32."""
    return sum(el.not_equal(operand(x), 0), axis)


@symbolic_op
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The cumulative sum along `axis` (None: of the flattened array)."""
    return _scan(prim.cumsum, x, axis, dtype)


@symbolic_op
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The cumulative product along `axis` (None: of the flattened array); not differentiable where x is 0."""
    return _scan(prim.cumprod, x, axis, dtype)


def _scan(primitive, x, axis, dtype):
    x = operand(x) if dtype is None else el.cast(x, dtype)
    if x.dtype == BOOL:
        x = cast_to(x, "int32")
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    return apply(primitive, x, axis=normalize_axis(axis, x.ndim))


def _reverse_cumsum(x, axis):
    return flip(cumsum(flip(x, axis), axis), axis)


prim.cumsum.gradient = Gradient(vjp=lambda g, r: (_reverse_cumsum(g, r.attributes["axis"]),))
prim.cumprod.gradient = Gradient(
    vjp=lambda g, r: (el.divide(_reverse_cumsum(el.multiply(g, r.out), r.attributes["axis"]), r.inputs[0]),),
    saves="xo",
)


amax, amin = max, min
