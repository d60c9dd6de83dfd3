"""Ops that look at the same elements in another shape or order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpunet.autograd.apply import apply
from gpunet.autograd.tape import Gradient
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.primitives import shape as prim
from gpunet.ops.operands import as_shape, normalize_axes, normalize_axis, operand
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def reshape(x: Any, newshape: Any) -> Any:
    """x with another shape; one entry may be −1, which is inferred.

    Raises:
        ValueError: if the number of elements differs.
    """
    x = operand(x)
    shape = _resolve(x.shape, as_shape(newshape))
    return x if shape == x.shape else apply(prim.reshape, x, shape=shape)


def _resolve(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    size = math.prod(old)
    if new.count(-1) == 1:
        known = -math.prod(new)
        if known > 0 and size % known == 0:
            return tuple(size // known if n == -1 else n for n in new)
    elif math.prod(new) == size and -1 not in new:
        return new
    raise ValueError(f"cannot reshape an array of shape {old} into {new}")


prim.reshape.gradient = Gradient(vjp=lambda g, r: (reshape(g, r.shapes[0]),))


@symbolic_op
def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """x with its axes permuted, reversed where `axes` is None.

    Raises:
        ValueError: if `axes` is not a permutation.
    """
    x = operand(x)
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(normalize_axis(a, x.ndim) for a in axes)
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes must be a permutation of range({x.ndim}). Received: axes={axes}")
    return apply(prim.transpose, x, axes=order)


def _transpose_gradient(g, r):
    axes = r.attributes["axes"]
    return (apply(prim.transpose, g, axes=tuple(axes.index(d) for d in range(len(axes)))),)


prim.transpose.gradient = Gradient(vjp=_transpose_gradient)


@symbolic_op
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """x with the axes `source` moved to `destination`, the others in order."""
    x = x if hasattr(x, "ndim") else operand(x)
    sources = [normalize_axis(a, x.ndim) for a in _listed(source)]
    targets = [normalize_axis(a, x.ndim) for a in _listed(destination)]
    order = [d for d in range(x.ndim) if d not in sources]
    for target, axis in sorted(zip(targets, sources)):
        order.insert(target, axis)
    return transpose(x, order)


@symbolic_op
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """x with two axes exchanged."""
    x = x if hasattr(x, "ndim") else operand(x)
    order = list(range(x.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, order)


def _listed(axis: Any) -> list:
    return list(axis) if isinstance(axis, list | tuple) else [axis]


@symbolic_op
def expand_dims(x: Any, axis: Any) -> Any:
    """x with axes of size 1 inserted at the positions `axis` of the result."""
    x = operand(x)
    axes = _listed(axis)
    ndim = x.ndim + len(axes)
    new = {normalize_axis(a, ndim) for a in axes}
    sizes = iter(x.shape)
    return reshape(x, tuple(1 if d in new else next(sizes) for d in range(ndim)))


@symbolic_op
def squeeze(x: Any, axis: Any = None) -> Any:
    """x without its axes of size 1, or without those in `axis`.

    Raises:
        ValueError: if an axis in `axis` is not of size 1.
    """
    x = operand(x)
    axes = normalize_axes(axis, x.ndim) or ()
    if axis is None:
        axes = tuple(d for d, n in enumerate(x.shape) if n == 1)
    if any(x.shape[d] != 1 for d in axes):
        raise ValueError(f"squeeze: axis must have size 1. Received: axis={axis}, shape={x.shape}")
    return reshape(x, tuple(n for d, n in enumerate(x.shape) if d not in axes))


@symbolic_op
def ravel(x: Any) -> Any:
    """x flattened to one axis."""
    return reshape(x, (-1,))


@symbolic_op
def flip(x: Any, axis: Any = None) -> Any:
    """x in reverse order along `axis` (None: all axes)."""
    x = operand(x)
    axes = normalize_axes(axis, x.ndim)
    return apply(prim.flip, x, axis=tuple(range(x.ndim)) if axes is None else axes)


prim.flip.gradient = Gradient(vjp=lambda g, r: (flip(g, r.attributes["axis"]),))


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(operand(x).shape) if not hasattr(x, "shape") else len(x.shape)


def shape(x: Any) -> tuple:
    """The shape; None for an unknown dimension of a symbolic tensor."""
    return tuple(x.shape) if hasattr(x, "shape") else operand(x).shape


def dtype(x: Any) -> str:
    """The name of the dtype."""
    return operand(x).dtype.name if not hasattr(x, "dtype") else as_dtype(x.dtype).name


def size(x: Any) -> int:
    """The number of elements."""
    return math.prod(shape(x))
