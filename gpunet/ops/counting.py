"""Ops that find places in order and count: searchsorted, digitize, bincount, histogram, isin."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.autograd.tensor import raw, wrap
from gpunet.backend.devices import device_of, to_device, to_host
from gpunet.backend.dtypes import as_dtype
from gpunet.ops import elementwise as el
from gpunet.ops.indexing import one_hot, scatter
from gpunet.ops.operands import cast_to, operand, promote
from gpunet.ops.reduction import any as any_
from gpunet.ops.reduction import max as max_
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import expand_dims, reshape
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Where values belong in a sorted vector: before ("left") or after ("right") what equals them; int32.

    Raises:
        ValueError: unless the sequence is a vector, and on another side.
    """
    if side not in ("left", "right"):
        raise ValueError(f"`side` must be either 'left' or 'right'. Received: side={side}")
    sequence, values = promote(sorted_sequence, operand(values))
    if sequence.ndim != 1:
        raise ValueError(
            f"searchsorted only supports 1-D sorted sequences. Received: sorted_sequence.shape={sequence.shape}"
        )
    compare = el.less if side == "left" else el.less_equal
    return sum_(cast_to(compare(sequence, expand_dims(values, -1)), "int32"), -1)


@symbolic_op
def digitize(x: Any, bins: Any) -> Any:
    """The number of the bin of each element: how many of the ascending `bins` are not above it; int32."""
    x = operand(x)
    if not hasattr(bins, "shape"):
        bins = to_device(np.asarray(bins, "float32" if x.dtype.kind in "iub" else x.dtype), device_of(raw(x)))
    return searchsorted(bins, x, side="right")


@symbolic_op
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """How often each integer from 0 occurs along the last axis, or the sum of its weights.

    The length of the result is the largest integer + 1, which is read on the host, or `minlength` if that is more.

    Raises:
        ValueError: if `sparse` is asked for.
    """
    if sparse:
        raise ValueError("bincount has no sparse results. Received: sparse=True")
    x = cast_to(operand(x), "int32")
    length = max(int(np.max(to_host(raw(x)), initial=-1)) + 1, minlength)
    if weights is None:
        return sum_(one_hot(x, length, dtype="int32"), -2)
    weights = operand(weights)
    if x.ndim == 1:
        return scatter(reshape(x, (-1, 1)), weights, (length,))
    return sum_(el.multiply(one_hot(x, length, dtype=weights.dtype), expand_dims(weights, -1)), -2)


@symbolic_op
def histogram(x: Any, bins: int = 10, range: Any = None) -> Any:
    """How many elements are in each of `bins` equal bins (int32), and the edges of the bins.

    Args:
        range: (lowest, highest); what is outside is not counted. The data's where None, which is read on the host.

    Raises:
        ValueError: unless `bins` is a positive int and the range in order.
    """
    if not isinstance(bins, int) or bins <= 0:
        raise ValueError(f"Argument `bins` should be a positive integer. Received: bins={bins}")
    x = operand(x)
    if range is not None and (len(range) != 2 or range[0] > range[1]):
        raise ValueError(f"The elements of range must be in ascending order. Received: range={range}")
    low, high = _span(x) if not range else map(float, range)
    if low == high:
        low, high = low - 0.5, high + 0.5
    dtype = as_dtype("float32") if x.dtype.kind in "iub" else x.dtype
    edges = to_device(np.linspace(low, high, bins + 1).astype(dtype), device_of(raw(x)))
    flat = reshape(cast_to(x, dtype), (-1,))
    # The last bin holds its upper edge too.
    place = el.minimum(el.subtract(digitize(flat, edges), 1), bins - 1)
    inside = el.logical_and(el.greater_equal(flat, low), el.less_equal(flat, high))
    hot = one_hot(el.where(inside, place, -1), bins, dtype="int32")
    return sum_(hot, 0), edges if raw(x) is x else wrap(edges)


def _span(x: Any) -> tuple[float, float]:
    values = to_host(raw(x))
    return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)


@symbolic_op
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """True where an element of x1 is in x2, or is not, with `invert`. All pairs are compared."""
    x1, x2 = promote(operand(x1), operand(x2))
    found = any_(el.equal(expand_dims(x1, -1), reshape(x2, (-1,))), -1)
    return el.logical_not(found) if invert else found


@symbolic_op
def multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """1 for each class that is among the integers along axis 1, (batch, …, num_classes); out-of-range ones are none.

    Raises:
        ValueError: without a number of classes, or if `sparse` is asked for.
    """
    if num_classes is None:
        raise ValueError("Argument `num_classes` must be specified. Received: num_classes=None")
    if sparse:
        raise ValueError("multi_hot has no sparse results. Received: sparse=True")
    hot = one_hot(cast_to(operand(inputs), "int32"), num_classes, axis=axis, dtype=dtype)
    return max_(hot, axis=1 if operand(inputs).ndim > 1 else 0)
