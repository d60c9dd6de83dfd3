"""Statistics: averages, quantiles, correlation, differences, and reductions that leave NaN out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.autograd.tensor import raw
from gpunet.backend.devices import device_of, to_device
from gpunet.ops import elementwise as el
from gpunet.ops import reduction as red
from gpunet.ops.indexing import getitem, sort, take, take_along_axis
from gpunet.ops.operands import cast_to, float_operand, normalize_axes, normalize_axis, operand, promote
from gpunet.ops.products import matmul
from gpunet.ops.views import expand_dims, moveaxis, reshape, transpose
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """The mean over `axis`, weighted where weights are given: of x's shape, or one for each place of the axis."""
    x = float_operand(x)
    if weights is None:
        return red.mean(x, axis)
    x, weights = promote(x, float_operand(weights))
    if weights.shape != x.shape:
        if not isinstance(axis, int) or weights.ndim != 1:
            raise ValueError(
                f"average: weights must have the shape of x, or be a vector for one axis. "
                f"Received: x.shape={x.shape}, weights.shape={weights.shape}, axis={axis}"
            )
        place = normalize_axis(axis, x.ndim)
        weights = reshape(weights, [-1 if d == place else 1 for d in range(x.ndim)])
        weights = red.broadcast_to(weights, x.shape)
    return el.divide(red.sum(el.multiply(x, weights), axis), red.sum(weights, axis))


def _flattened(x: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """x with the reduced axes as its last one, and these axes."""
    axes = normalize_axes(axis, x.ndim)
    axes = tuple(range(x.ndim)) if axes is None else axes
    moved = moveaxis(x, axes, tuple(range(x.ndim - len(axes), x.ndim)))
    kept = moved.shape[: x.ndim - len(axes)]
    return reshape(moved, (*kept, math.prod(moved.shape[len(kept) :]))), axes


_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


@symbolic_op
def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """The q-th quantiles over `axis`, each in [0, 1]: those of several q along a new first axis.

    Args:
        method: between two elements, "linear" interpolates, "lower", "higher", "midpoint" and "nearest" choose.

    Raises:
        ValueError: on another method.
    """
    x = float_operand(x)
    flat, axes = _flattened(x, axis)
    ordered = sort(flat, -1)
    place = el.multiply(_as_vector(q, x), float(ordered.shape[-1] - 1))
    found = _between(place, lambda places: take(ordered, places, axis=-1), method, x.dtype)
    return _reduced(found, q, x, axes, keepdims)


def _as_vector(q: Any, x: Any) -> Any:
    """The wanted quantiles as a float64 vector beside x."""
    host = isinstance(q, np.ndarray | np.generic) or not hasattr(q, "shape")
    q = to_device(np.asarray(q, "float64"), device_of(raw(x))) if host else operand(q)
    return cast_to(reshape(q, (-1,)), "float64")


def _reduced(found: Any, q: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """Quantiles, on the last axis, in the shape of q and then that of x without its reduced axes."""
    kept = [1 if d in axes else n for d, n in enumerate(x.shape)]
    shape = kept if keepdims else [n for d, n in enumerate(x.shape) if d not in axes]
    return reshape(moveaxis(found, -1, 0), (*np.shape(raw(q)), *shape))


def _hundredth(q: Any) -> Any:
    host = isinstance(q, np.ndarray | np.generic) or not hasattr(q, "shape")
    return np.asarray(q) / 100.0 if host else el.divide(q, 100.0)


def _between(place: Any, at: Callable, method: str, dtype: Any) -> Any:
    """What stands at a place that may be between two; `at` finds elements at int32 places."""
    if method not in _METHODS:
        raise ValueError(f"quantile: method must be one of {_METHODS}. Received: method={method!r}")
    if method == "nearest":
        return at(cast_to(el.round(place), "int32"))
    low = None if method == "higher" else at(cast_to(el.floor(place), "int32"))
    high = None if method == "lower" else at(cast_to(el.ceil(place), "int32"))
    if low is None or high is None:
        return high if low is None else low
    if method == "midpoint":
        return el.multiply(el.add(low, high), 0.5)
    share = cast_to(el.subtract(place, el.floor(place)), dtype)
    return el.add(low, el.multiply(el.subtract(high, low), share))


@symbolic_op
def percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """The quantiles at q/100."""
    return quantile(x, _hundredth(q), axis, method, keepdims)


@symbolic_op
def nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """The quantiles of those elements that are not NaN; NaN where there are none."""
    x = float_operand(x)
    flat, axes = _flattened(x, axis)
    missing = el.isnan(flat)
    ordered = sort(el.where(missing, math.inf, flat), -1)
    count = red.sum(cast_to(el.logical_not(missing), "int32"), -1, keepdims=True)
    last = cast_to(el.maximum(el.subtract(count, 1), 0), "float64")
    place = el.multiply(_as_vector(q, x), last)
    found = _between(place, lambda places: take_along_axis(ordered, places, -1), method, x.dtype)
    return _reduced(el.where(el.equal(count, 0), math.nan, found), q, x, axes, keepdims)


@symbolic_op
def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """`nanquantile` for q in percent."""
    return nanquantile(x, _hundredth(q), axis, method, keepdims)


@symbolic_op
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`median` of those elements that are not NaN; NaN where there are none."""
    return nanquantile(x, 0.5, axis, "midpoint", keepdims)


@symbolic_op
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The median over `axis`: of an even number of elements, the mean of the two in the middle."""
    return quantile(x, 0.5, axis, "midpoint", keepdims)


@symbolic_op
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest minus the smallest element over `axis`."""
    return el.subtract(red.max(x, axis, keepdims), red.min(x, axis, keepdims))


@symbolic_op
def corrcoef(x: Any) -> Any:
    """Pearson's correlations of the rows of x (variables, observations): (variables, variables)."""
    x = float_operand(x)
    rows = expand_dims(x, 0) if x.ndim == 1 else x
    centred = el.subtract(rows, red.mean(rows, -1, keepdims=True))
    products = matmul(centred, transpose(centred))
    scale = el.sqrt(red.sum(el.square(centred), -1))
    found = el.divide(products, el.multiply(expand_dims(scale, 0), expand_dims(scale, 1)))
    return reshape(found, ()) if x.ndim == 1 else found


@symbolic_op
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """The n-th differences of neighbours along an axis."""
    a = operand(a)
    place = normalize_axis(axis, a.ndim)
    for _ in range(n):
        lead = (slice(None),) * place
        subtract = el.not_equal if a.dtype == "bool" else el.subtract
        a = subtract(getitem(a, (*lead, slice(1, None))), getitem(a, (*lead, slice(None, -1))))
    return a


@symbolic_op
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """The integral of samples y along an axis by the trapezoidal rule, at places x, or `dx` apart."""
    y = float_operand(y)
    place = normalize_axis(axis, y.ndim)
    lead = (slice(None),) * place
    sums = el.add(getitem(y, (*lead, slice(1, None))), getitem(y, (*lead, slice(None, -1))))
    step: Any = dx
    if x is not None:
        x = float_operand(x)
        step = diff(x, axis=axis if x.ndim == y.ndim else -1)
        step = reshape(step, [-1 if d == place else 1 for d in range(y.ndim)]) if x.ndim == 1 else step
    return el.multiply(red.sum(el.multiply(sums, step), place), 0.5)


def _without_nan(name: str, doc: str, reduce: Callable, neutral: float) -> Callable:
    """A reduction that takes `neutral` for NaN."""

    def op(x, axis=None, keepdims=False):
        x = operand(x)
        return reduce(el.where(el.isnan(x), neutral, x), axis, keepdims)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{doc} over `axis`, NaN left out."
    op.__module__ = __name__
    return symbolic_op(op)


nansum = _without_nan("nansum", "The sum", red.sum, 0)
nanprod = _without_nan("nanprod", "The product", red.prod, 1)


def _extreme(x: Any, axis: Any, keepdims: bool, reduce: Callable, neutral: float) -> Any:
    """An extreme without NaN; NaN where there is nothing else."""
    x = operand(x)
    missing = el.isnan(x)
    found = reduce(el.where(missing, neutral, x), axis, keepdims)
    return el.where(red.all(missing, axis, keepdims), math.nan, found) if x.dtype.kind not in "iub" else found


@symbolic_op
def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest element over `axis`, NaN left out; NaN where there is nothing else."""
    return _extreme(x, axis, keepdims, red.max, -math.inf) if _floating(x) else red.max(x, axis, keepdims)


@symbolic_op
def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest element over `axis`, NaN left out; NaN where there is nothing else."""
    return _extreme(x, axis, keepdims, red.min, math.inf) if _floating(x) else red.min(x, axis, keepdims)


def _floating(x: Any) -> bool:
    return operand(x).dtype.kind not in "iub"


@symbolic_op
def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean over `axis`, NaN left out."""
    x = float_operand(x)
    count = red.sum(cast_to(el.logical_not(el.isnan(x)), x.dtype), axis, keepdims)
    return el.divide(nansum(x, axis, keepdims), count)


@symbolic_op
def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The biased variance over `axis`, NaN left out."""
    x = float_operand(x)
    return nanmean(el.square(el.subtract(x, nanmean(x, axis, keepdims=True))), axis, keepdims)


@symbolic_op
def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The biased standard deviation over `axis`, NaN left out."""
    return el.sqrt(nanvar(x, axis, keepdims))


@symbolic_op
def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The cumulative sum along `axis`, with 0 for NaN."""
    x = operand(x)
    return red.cumsum(el.where(el.isnan(x), 0, x), axis, dtype)


@symbolic_op
def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The cumulative product along `axis`, with 1 for NaN."""
    x = operand(x)
    return red.cumprod(el.where(el.isnan(x), 1, x), axis, dtype)


@symbolic_op
def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the largest element along `axis`, NaN left out; −1 where there is nothing else."""
    return _arg(x, axis, keepdims, red.argmax, -math.inf)


@symbolic_op
def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the smallest element along `axis`, NaN left out; −1 where there is nothing else."""
    return _arg(x, axis, keepdims, red.argmin, math.inf)


def _arg(x: Any, axis: Any, keepdims: bool, reduce: Callable, neutral: float) -> Any:
    x = operand(x)
    if x.dtype.kind in "iub":
        return reduce(x, axis, keepdims)
    missing = el.isnan(x)
    found = reduce(el.where(missing, neutral, x), axis, keepdims)
    return el.where(red.all(missing, axis, keepdims), -1, found)


@symbolic_op
def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """The peak signal-to-noise ratio of two images in decibels: 20·log₁₀(max_val) − 10·log₁₀(mean square error).

    Raises:
        ValueError: if the shapes differ.
    """
    x1, x2 = promote(float_operand(x1), float_operand(x2))
    if x1.shape != x2.shape:
        raise ValueError(f"psnr expected two arrays of one shape. Received: {x1.shape} and {x2.shape}")
    error = red.mean(el.square(el.subtract(x1, x2)))
    return el.subtract(20 * math.log10(max_val), el.multiply(el.log10(error), 10.0))
