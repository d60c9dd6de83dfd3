"""Rows gathered by the number of their segment, and updates at places: sums, products and extremes of what meets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet.autograd.tensor import Tensor, raw
from gpunet.backend.devices import device_of, to_device, to_host
from gpunet.ops import elementwise as el
from gpunet.ops.indexing import as_index_array, getitem, one_hot, scatter
from gpunet.ops.operands import cast_to, operand
from gpunet.ops.products import matmul
from gpunet.ops.reduction import max as max_
from gpunet.ops.reduction import min as min_
from gpunet.ops.reduction import prod as prod_
from gpunet.ops.views import expand_dims, reshape, transpose
from gpunet.symbolic.ops import symbolic_op


def _segments(data: Any, segment_ids: Any, num_segments: int | None) -> tuple[Any, Any, int]:
    data = operand(data)
    ids = (
        segment_ids
        if isinstance(segment_ids, Tensor)
        else to_device(np.asarray(to_host(segment_ids)), device_of(raw(data)))
    )
    ids = cast_to(ids, "int32")
    if ids.ndim != 1 or ids.shape[0] != data.shape[0]:
        raise ValueError(
            f"Argument `segment_ids` should be a vector with an entry for each row of `data`. "
            f"Received: segment_ids.shape={ids.shape}, data.shape={data.shape}"
        )
    count = int(np.max(to_host(raw(ids)), initial=-1)) + 1 if num_segments is None else num_segments
    return data, ids, count


@symbolic_op
def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The sums of rows with equal ids, (num_segments, …); the largest id + 1, read on the host, where None."""
    data, ids, count = _segments(data, segment_ids, num_segments)
    flat = reshape(data, (data.shape[0], math.prod(data.shape[1:])))
    member = one_hot(ids, count, dtype=data.dtype)
    return reshape(matmul(transpose(member), flat), (count, *data.shape[1:]))


def _segment_extreme(data, segment_ids, num_segments, reduce, neutral):
    data, ids, count = _segments(data, segment_ids, num_segments)
    member = cast_to(one_hot(ids, count, dtype="int32"), "bool")
    member = reshape(member, (*member.shape, *(1,) * (data.ndim - 1)))
    return reduce(el.where(member, expand_dims(data, 1), neutral(data.dtype)), 0)


def _lowest(dtype: Any) -> Any:
    return -math.inf if dtype.kind not in "iu" else int(np.iinfo(dtype).min)


def _highest(dtype: Any) -> Any:
    return math.inf if dtype.kind not in "iu" else int(np.iinfo(dtype).max)


@symbolic_op
def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The largest of rows with equal ids, (num_segments, …); −∞ where there are none."""
    return _segment_extreme(data, segment_ids, num_segments, max_, _lowest)


@symbolic_op
def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The smallest of rows with equal ids, (num_segments, …); ∞ where there are none."""
    return _segment_extreme(data, segment_ids, num_segments, min_, _highest)


@symbolic_op
def segment_prod(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The products of rows with equal ids, (num_segments, …); 1 where there are none."""
    return _segment_extreme(data, segment_ids, num_segments, prod_, lambda dtype: 1)


@symbolic_op
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """A copy of `inputs` with `updates[i]` at `indices[i]`, (n, k) places in the first k axes.

    Args:
        reduction: what happens to the value that is there, and to updates that meet: "add", "max", "min" or "mul". None
            replaces it, and no index may come twice.

    Raises:
        ValueError: on another reduction.
    """
    if reduction not in (None, *_REDUCTIONS):
        raise ValueError(f"`reduction` must be None or one of {tuple(_REDUCTIONS)}. Received: reduction={reduction!r}")
    inputs, indices = operand(inputs), as_index_array(indices)
    updates = el.cast(operand(updates), inputs.dtype)
    if reduction is None:
        placed = scatter(indices, updates, inputs.shape)
        where_new = scatter(indices, raw(el.ones_like(updates, "int32")), inputs.shape)
        return el.where(el.greater(where_new, 0), placed, inputs)
    if reduction == "add":
        return el.add(inputs, scatter(indices, updates, inputs.shape))
    gathered, combine = _REDUCTIONS[reduction]
    k = indices.shape[-1]
    places, rest = inputs.shape[:k], inputs.shape[k:]
    found = gathered(updates, _flat_places(indices, places), math.prod(places))
    return combine(inputs, reshape(found, (*places, *rest)))


_REDUCTIONS: dict[str, tuple] = {
    "add": (),
    "max": (segment_max, el.maximum),
    "min": (segment_min, el.minimum),
    "mul": (segment_prod, el.multiply),
}


def _flat_places(indices: Any, shape: tuple[int, ...]) -> Any:
    """Indices (n, k) of an array of `shape` as places of the flattened array."""
    flat = raw(getitem(indices, (..., 0)))
    for axis, size in enumerate(shape[1:], 1):
        flat = el.add(el.multiply(flat, size), raw(getitem(indices, (..., axis))))
    return flat
