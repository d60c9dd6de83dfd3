"""Ops that join, split, repeat and pad arrays."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from gpunet.autograd.apply import apply
from gpunet.autograd.custom import custom_gradient
from gpunet.autograd.tape import Gradient
from gpunet.backend.dtypes import result_type
from gpunet.backend.primitives import shape as prim
from gpunet.ops.indexing import getitem, take
from gpunet.ops.operands import as_shape, cast_to, normalize_axis, operand
from gpunet.ops.reduction import broadcast_to
from gpunet.ops.views import expand_dims, reshape, squeeze
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """The arrays joined along an existing axis, in their common dtype.

    Raises:
        ValueError: if the list is empty or another axis differs.
    """
    arrays = list(map(operand, xs))
    if not arrays:
        raise ValueError("concatenate expected at least one array. Received: an empty list")
    axis = normalize_axis(axis, arrays[0].ndim)
    _check_joinable(arrays, axis)
    dtype = result_type(*[a.dtype for a in arrays])
    return apply(prim.concatenate, *[cast_to(a, dtype) for a in arrays], axis=axis)


def _check_joinable(arrays, axis):
    others = {(*a.shape[:axis], *a.shape[axis + 1 :]) if a.ndim > axis else a.shape for a in arrays}
    if len(others) > 1 or len({a.ndim for a in arrays}) > 1:
        raise ValueError(
            f"concatenate: all axes but axis={axis} must be equal. Received shapes: {[a.shape for a in arrays]}"
        )


def _concatenate_gradient(g, r):
    axis = r.attributes["axis"]
    parts, start = [], 0
    for shape, need in zip(r.shapes, r.needs):
        stop = start + shape[axis]
        parts.append(_slice_axis(g, axis, start, stop) if need else None)
        start = stop
    return parts


def _slice_axis(x, axis, start, stop):
    spec = (slice(None),) * axis + (slice(start, stop),)
    return apply(prim.getitem, x, spec=spec)


prim.concatenate.gradient = Gradient(vjp=_concatenate_gradient)


@symbolic_op
def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    arrays = list(map(operand, x))
    if len({a.shape for a in arrays}) != 1:
        raise ValueError(f"stack expected arrays of one shape. Received shapes: {[a.shape for a in arrays]}")
    axis = normalize_axis(axis, arrays[0].ndim + 1)
    return concatenate([expand_dims(a, axis) for a in arrays], axis)


@symbolic_op
def vstack(xs: Sequence[Any]) -> Any:
    """Arrays joined along the first axis, 1-D ones as rows."""
    return concatenate([x if len(x.shape) > 1 else reshape(x, (1, -1)) for x in map(operand, xs)], 0)


@symbolic_op
def hstack(xs: Sequence[Any]) -> Any:
    """Arrays joined along the second axis, 1-D ones along the first."""
    arrays = list(map(operand, xs))
    return concatenate(arrays, 0 if len(arrays[0].shape) == 1 else 1)


@symbolic_op
def meshgrid(*x: Any, indexing: str = "xy") -> list:
    """Coordinate arrays of coordinate vectors: each vector along its own axis of a grid, repeated along the others.

    Args:
        indexing: "ij", vector k varies along axis k, or "xy", the first two axes are exchanged.

    Raises:
        ValueError: on another `indexing`.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij'. Received: indexing={indexing!r}")
    vectors = [reshape(v, (-1,)) for v in x]
    places = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        places[:2] = 1, 0
    grid = [0] * len(vectors)
    for place, v in zip(places, vectors):
        grid[place] = v.shape[0]
    return [
        broadcast_to(reshape(v, [-1 if d == place else 1 for d in range(len(grid))]), grid)
        for place, v in zip(places, vectors)
    ]


@symbolic_op
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list:
    """x in equal sections (an int) or cut before the given indices, along `axis`.

    Raises:
        ValueError: if the axis is not divisible into that many sections.
    """
    x = operand(x)
    axis = normalize_axis(axis, x.ndim)
    size = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if size % indices_or_sections:
            raise ValueError(
                f"split: axis {axis} of size {size} cannot be divided. "
                f"Received: indices_or_sections={indices_or_sections}"
            )
        step = size // indices_or_sections
        cuts = [step * i for i in range(1, indices_or_sections)]
    else:
        cuts = list(as_shape(indices_or_sections))
    bounds = [0, *cuts, size]
    if bounds != sorted(bounds):  # parts that overlap, or are counted from the end
        return [_slice_axis(x, axis, a, b) for a, b in itertools.pairwise(bounds)]
    return list(_cut(x, axis, bounds))


@custom_gradient
def _cut(x, axis, bounds):
    """The parts of x between the bounds; their gradients are joined, not added up as slices of x."""
    parts = tuple(_slice_axis(x, axis, a, b) for a, b in itertools.pairwise(bounds))
    return parts, lambda *upstream: concatenate(upstream, axis)


@symbolic_op
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list:
    """The slices of x along `axis`, without that axis."""
    x = x if hasattr(x, "shape") else operand(x)
    axis = normalize_axis(axis, len(x.shape))
    n = x.shape[axis] if num is None else num
    if n != x.shape[axis]:
        return [squeeze(part, axis) for part in split(x, n, axis)]
    return list(_slices(x, axis))


@custom_gradient
def _slices(x, axis):
    parts = tuple(getitem(x, (slice(None),) * axis + (i,)) for i in range(x.shape[axis]))
    return parts, lambda *upstream: stack(upstream, axis)


@symbolic_op
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """x with elements added at the ends of its axes.

    Args:
        pad_width: (low, high) per axis, one pair for all axes, or an int for all ends.
        mode: "constant", "reflect" (without the edge), "symmetric" (with it) or "edge".
        constant_values: what to pad with in "constant" mode, 0 where None.

    Raises:
        ValueError: on another mode, or a constant with another mode.
    """
    x = operand(x)
    widths = _pad_pairs(pad_width, x.ndim)
    if mode == "constant":
        return apply(prim.pad, x, pad_width=widths, value=0 if constant_values is None else constant_values)
    if constant_values is not None:
        raise ValueError(f"pad: constant_values needs mode='constant'. Received: mode={mode!r}")
    for axis, (low, high) in enumerate(widths):
        if low or high:
            x = take(x, _border_indices(x.shape[axis], low, high, mode), axis=axis)
    return x


def _pad_pairs(pad_width, ndim) -> tuple[tuple[int, int], ...]:
    if isinstance(pad_width, int):
        return ((pad_width, pad_width),) * ndim
    pairs = [tuple(p) if isinstance(p, list | tuple) else p for p in pad_width]
    if all(isinstance(p, int) for p in pairs) and len(pairs) == 2:
        return (tuple(pairs),) * ndim
    pairs = [(p, p) if isinstance(p, int) else p if len(p) == 2 else p * 2 for p in pairs]
    pairs = pairs * ndim if len(pairs) == 1 else pairs
    if len(pairs) != ndim:
        raise ValueError(f"pad_width must have one pair for each of {ndim} axes. Received: {pad_width}")
    return tuple(pairs)


def _border_indices(n, low, high, mode):
    if mode == "edge":
        return [min(max(i, 0), n - 1) for i in range(-low, n + high)]
    if mode not in ("reflect", "symmetric"):
        raise ValueError(f"pad: mode must be 'constant', 'reflect', 'symmetric' or 'edge'. Received: mode={mode!r}")
    if n == 1 and mode == "reflect":
        return [0] * (1 + low + high)
    period = 2 * n - 2 if mode == "reflect" else 2 * n
    folded = [i % period for i in range(-low, n + high)]
    return [i if i < n else period - i - (mode == "symmetric") for i in folded]


def _pad_gradient(g, r):
    spec = tuple(slice(lo, lo + n) for n, (lo, _) in zip(r.shapes[0], r.attributes["pad_width"]))
    return (apply(prim.getitem, g, spec=spec),)


prim.pad.gradient = Gradient(vjp=_pad_gradient)


@symbolic_op
def tile(x: Any, repeats: Any) -> Any:
    """x repeated as a whole `repeats` times along each axis."""
    x = operand(x)
    counts = as_shape(repeats)
    counts = (1,) * (x.ndim - len(counts)) + counts
    shape = (1,) * (len(counts) - x.ndim) + x.shape
    spread = reshape(x, [n for size in shape for n in (1, size)])
    spread = broadcast_to(spread, [n for pair in zip(counts, shape) for n in pair])
    return reshape(spread, [r * n for r, n in zip(counts, shape)])


@symbolic_op
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """x with each element along `axis` (None: of the flattened array) repeated, an int or one count each."""
    x = operand(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalize_axis(axis, x.ndim)
    counts = as_shape(repeats)
    counts = counts * x.shape[axis] if len(counts) == 1 else counts
    if len(counts) != x.shape[axis]:
        raise ValueError(f"repeat: expected {x.shape[axis]} counts. Received: repeats={repeats}")
    return take(x, [i for i, n in enumerate(counts) for _ in range(n)], axis=axis)


@symbolic_op
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """x shifted cyclically by `shift` along `axis` (None: as if flattened)."""
    x = operand(x)
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, 0), x.shape)
    axes = axis if isinstance(axis, list | tuple) else [axis]
    shifts = shift if isinstance(shift, list | tuple) else [shift] * len(axes)
    for d, k in zip(axes, shifts):
        d = normalize_axis(d, x.ndim)
        cut = -int(k) % max(1, x.shape[d])
        x = concatenate([_slice_axis(x, d, cut, None), _slice_axis(x, d, 0, cut)], d)
    return x
