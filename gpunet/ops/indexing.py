"""Indexing and gathering: x[...], take, take_along_axis, one_hot, slices and scatters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.autograd.apply import apply
from gpunet.autograd.tape import Gradient
from gpunet.autograd.tensor import raw
from gpunet.backend.devices import device_of, to_device, to_host
from gpunet.backend.dtypes import BOOL, as_dtype
from gpunet.backend.primitive import is_array_type
from gpunet.backend.primitives import shape as prim
from gpunet.ops import elementwise as el
from gpunet.ops.operands import as_shape, normalize_axis, operand
from gpunet.ops.reduction import broadcast_to
from gpunet.ops.reduction import sum as total
from gpunet.ops.views import moveaxis, reshape
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def getitem(x: Any, key: Any) -> Any:
    """x[key]: ints, slices, None, ... and integer or bool arrays, as NumPy indexes.

    Raises:
        IndexError: if an index is out of range or there are too many.
    """
    x = operand(x)
    spec, arrays = _parse_index(x, key if isinstance(key, tuple) else (key,))
    return apply(prim.getitem, x, *arrays, spec=spec)


get_item = getitem


def _parse_index(x, items) -> tuple[tuple, list]:
    """The index as a specification with ARRAY in place of index arrays, and those arrays on x's device."""
    spec: list[Any] = []
    arrays: list[Any] = []
    for item in items:
        if item is None or item is Ellipsis or type(item) is int:
            spec.append(item)
        elif isinstance(item, slice):
            spec.append(slice(*(None if s is None else int(s) for s in (item.start, item.stop, item.step))))
        elif isinstance(item, np.integer):
            spec.append(int(item))
        else:
            found = _index_arrays(x, item)
            spec.extend([prim.ARRAY] * len(found))
            arrays.extend(found)
    return tuple(spec), arrays


def _index_arrays(x, item) -> list:
    """An integer index array, or the indices of a bool mask's True elements, one per axis of the mask."""
    array = as_index_array(item)
    if array.dtype == BOOL:
        return [_beside(x, part) for part in np.nonzero(to_host(array))]
    if array.dtype.kind not in "iu":
        raise IndexError(f"an index array must hold integers or bools. Received: dtype={array.dtype}")
    return [_beside(x, array)]


def as_index_array(item: Any) -> Any:
    """A raw array of indices; an empty list is an empty integer array."""
    array = raw(item)
    array = array if is_array_type(type(array)) else np.asarray(array)
    return array.astype("int64") if array.size == 0 and array.dtype.kind == "f" else array


def _beside(x, array):
    """An index array on the device of x."""
    held = raw(x)
    return array if type(array) is type(held) else to_device(array, device_of(held))


def _getitem_gradient(g, r):
    spread = apply(prim.scatter, g, *r.inputs[1:], spec=r.attributes["spec"], shape=r.shapes[0])
    return spread, *(None for _ in r.inputs[1:])


def _scatter_gradient(g, r):
    gathered = apply(prim.getitem, g, *r.inputs[1:], spec=r.attributes["spec"])
    return gathered, *(None for _ in r.inputs[1:])


prim.getitem.gradient = Gradient(vjp=_getitem_gradient, saves="i")
prim.scatter.gradient = Gradient(vjp=_scatter_gradient, saves="i")


@symbolic_op
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements of x at `indices` along `axis` (None: of the flattened array).

    The result has the shape of `indices` in place of the axis. Negative indices count from the end.
    """
    x = operand(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    return getitem(x, (slice(None),) * normalize_axis(axis, x.ndim) + (as_index_array(indices),))


@symbolic_op
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements of x at `indices`, matched along every axis but `axis`; other axes broadcast.

    Raises:
        ValueError: if `indices` and x differ in rank.
    """
    x, indices = operand(x), operand(indices)
    if axis is None:
        return take_along_axis(reshape(x, (-1,)), reshape(indices, (-1,)), 0)
    axis = normalize_axis(axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ValueError(
            f"take_along_axis expected indices of the rank of x. "
            f"Received: x.shape={tuple(x.shape)}, indices.shape={tuple(indices.shape)}"
        )
    rest = np.broadcast_shapes(_without(x.shape, axis), _without(indices.shape, axis))
    x = broadcast_to(x, (*rest[:axis], x.shape[axis], *rest[axis:]))
    indices = broadcast_to(indices, (*rest[:axis], indices.shape[axis], *rest[axis:]))
    return apply(prim.take_along_axis, x, _wrapped(indices, x.shape[axis]), axis=axis)


def _without(shape, axis):
    return (*shape[:axis], *shape[axis + 1 :])


def _wrapped(indices, size):
    """Negative indices counted from the end, as scattering needs them."""
    return el.where(el.less(indices, 0), el.add(indices, size), indices)


def _take_along_gradient(g, r):
    attributes = {"axis": r.attributes["axis"], "shape": r.shapes[0]}
    return apply(prim.put_along_axis, g, r.inputs[1], **attributes), None


prim.take_along_axis.gradient = Gradient(vjp=_take_along_gradient, saves="y")
prim.put_along_axis.gradient = Gradient(
    vjp=lambda g, r: (apply(prim.take_along_axis, g, r.inputs[1], axis=r.attributes["axis"]), None),
    saves="y",
)


@symbolic_op
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """1 at each class index of x and 0 elsewhere, on a new axis of size `num_classes`; out-of-range rows are 0.

    Raises:
        ValueError: if `sparse` is asked for.
    """
    if sparse:
        raise ValueError("one_hot has no sparse results. Received: sparse=True")
    x = operand(x)
    hot = apply(prim.one_hot, x, num_classes=int(num_classes), dtype=as_dtype(dtype))
    return hot if axis in (-1, x.ndim) else moveaxis(hot, -1, axis)


@symbolic_op
def slice_op(inputs: Any, start_indices: Sequence[int], shape: Sequence[int]) -> Any:
    """The block of `shape` that starts at `start_indices`; −1 takes the rest of an axis."""
    inputs = operand(inputs)
    starts, sizes = as_shape(start_indices), as_shape(shape)
    spec = tuple(slice(a, None if n == -1 else a + n) for a, n in zip(starts, sizes))
    return getitem(inputs, spec)


@symbolic_op
def slice_update(inputs: Any, start_indices: Sequence[int], updates: Any) -> Any:
    """A copy of `inputs` with the block that starts at `start_indices` replaced by `updates`."""
    inputs, updates = operand(inputs), operand(updates)
    spec = tuple(slice(a, a + n) for a, n in zip(as_shape(start_indices), updates.shape))
    placed = apply(prim.scatter, updates, spec=spec, shape=inputs.shape)
    where_new = apply(prim.scatter, el.ones_like(updates, "bool"), spec=spec, shape=inputs.shape)
    return el.where(where_new, placed, inputs)


@symbolic_op
def scatter(indices: Any, values: Any, shape: Sequence[int]) -> Any:
    """Zeros of `shape` with `values` added at `indices` (n, k): row i is the place of values[i]."""
    values, indices = operand(values), as_index_array(indices)
    columns = [_beside(values, raw(getitem(indices, (..., k)))) for k in range(indices.shape[-1])]
    return apply(prim.scatter, values, *columns, spec=(prim.ARRAY,) * len(columns), shape=as_shape(shape))


@symbolic_op
def argsort(x: Any, axis: int | None = -1) -> Any:
    """The indices that sort x along `axis` (None: of the flattened array), stable, int32."""
    x = operand(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    return apply(prim.argsort, x, axis=normalize_axis(axis, x.ndim))


@symbolic_op
def sort(x: Any, axis: int = -1) -> Any:
    """x in ascending order along `axis`; the gradient follows each element."""
    return take_along_axis(x, argsort(x, axis), axis)


@symbolic_op
def top_k(x: Any, k: int, sorted: bool = True) -> Any:
    """The k largest elements along the last axis in descending order, and their int32 indices."""
    x = operand(x)
    descending = el.bitwise_not(x) if x.dtype.kind in "iu" else el.negative(x)  # −x of an unsigned x keeps no order
    order = argsort(descending, axis=-1)[..., :k]
    return take_along_axis(x, order, -1), order


@symbolic_op
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """True where row i's score of class targets[i] is among its k largest (equal scores count as in)."""

    targets, predictions = operand(targets), operand(predictions)
    score = take_along_axis(predictions, reshape(el.cast(targets, "int32"), (-1, 1)), -1)
    larger = total(el.cast(el.greater(predictions, score), "int32"), axis=-1)
    return el.logical_and(el.less(larger, k), el.isfinite(reshape(score, targets.shape)))
