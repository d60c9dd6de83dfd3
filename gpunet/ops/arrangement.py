"""Ops that put elements into another order or shape: diagonals, rotations, blocks, segments."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.autograd.apply import apply
from gpunet.autograd.tensor import raw
from gpunet.backend.devices import device_of, to_device
from gpunet.backend.primitives import shape as prim
from gpunet.ops import elementwise as el
from gpunet.ops.conv import per_axis
from gpunet.ops.indexing import argsort, getitem
from gpunet.ops.joining import concatenate, pad, split
from gpunet.ops.operands import as_shape, float_operand, normalize_axis, operand, promote
from gpunet.ops.products import diagonal, matmul
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import expand_dims, flip, moveaxis, ravel, reshape, swapaxes, transpose
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """x2 after x1 along an axis, or both flattened."""
    pair = [operand(x1), operand(x2)]
    return concatenate(list(map(ravel, pair)), 0) if axis is None else concatenate(pair, axis)


@symbolic_op
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list:
    """x in sections of nearly equal size (an int) or cut before the given indices, along `axis`."""
    x = operand(x)
    if isinstance(indices_or_sections, int):
        n, k = x.shape[normalize_axis(axis, x.ndim)], indices_or_sections
        indices_or_sections = [i * (n // k) + min(i, n % k) for i in range(1, k)]
    return split(x, indices_or_sections, axis)


@symbolic_op
def hsplit(x: Any, indices_or_sections: Any) -> list:
    """x split along its second axis, or its only one."""
    x = operand(x)
    return split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


@symbolic_op
def vsplit(x: Any, indices_or_sections: Any) -> list:
    """x split along its first axis."""
    return split(x, indices_or_sections, 0)


@symbolic_op
def dsplit(x: Any, indices_or_sections: Any) -> list:
    """x split along its third axis."""
    return split(x, indices_or_sections, 2)


@symbolic_op
def dstack(xs: Sequence[Any]) -> Any:
    """Arrays joined along the third axis."""
    arrays = []
    for x in map(operand, xs):
        x = expand_dims(x, 0) if x.ndim == 1 else reshape(x, (1, 1)) if x.ndim == 0 else x
        arrays.append(expand_dims(x, 2) if x.ndim == 2 else x)
    return concatenate(arrays, 2)


@symbolic_op
def diag(x: Any, k: int = 0) -> Any:
    """A matrix with a vector on its k-th diagonal, or the k-th diagonal of a matrix."""
    x = operand(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag expected a vector or a matrix. Received: shape={x.shape}")
    n = x.shape[0] + abs(k)
    places = to_device((np.arange(x.shape[0]) + max(-k, 0)) * n + np.arange(x.shape[0]) + max(k, 0), device_of(raw(x)))
    flat = apply(prim.scatter, x, places, spec=(prim.ARRAY,), shape=(n * n,))
    return reshape(flat, (n, n))


@symbolic_op
def diagflat(x: Any, k: int = 0) -> Any:
    """A matrix with the flattened x on its k-th diagonal."""
    return diag(ravel(x), k)


@symbolic_op
def fliplr(x: Any) -> Any:
    """x in reverse order along its second axis."""
    return flip(x, 1)


@symbolic_op
def flipud(x: Any) -> Any:
    """x in reverse order along its first axis."""
    return flip(x, 0)


@symbolic_op
def rot90(array: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """An array turned by k·90 degrees from the first towards the second of two axes."""
    x = operand(array)
    if len(axes) != 2 or normalize_axis(axes[0], x.ndim) == normalize_axis(axes[1], x.ndim):
        raise ValueError(f"rot90 expected two different axes. Received: axes={tuple(axes)}")
    first, second = (normalize_axis(a, x.ndim) for a in axes)
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return flip(x, (first, second))
    return swapaxes(flip(x, second), first, second) if turns == 1 else flip(swapaxes(x, first, second), second)


@symbolic_op
def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross product of vectors of three components; of two, the component that stands on their plane."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x1, x2 = promote(operand(x1), operand(x2))
    a, b = moveaxis(x1, axisa, -1), moveaxis(x2, axisb, -1)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ValueError(f"cross expected vectors of 2 or 3 components. Received shapes: {x1.shape} and {x2.shape}")
    flat = a.shape[-1] == b.shape[-1] == 2
    (a0, a1, a2), (b0, b1, b2) = (_components(v) for v in (a, b))
    last = el.subtract(el.multiply(a0, b1), el.multiply(a1, b0))
    if flat:
        return last
    parts = [
        el.subtract(el.multiply(a1, b2), el.multiply(a2, b1)),
        el.subtract(el.multiply(a2, b0), el.multiply(a0, b2)),
        last,
    ]
    return moveaxis(concatenate([expand_dims(p, -1) for p in parts], -1), -1, axisc)


def _components(v: Any) -> list:
    parts = [getitem(v, (..., k)) for k in range(v.shape[-1])]
    return parts if len(parts) == 3 else [*parts, el.zeros_like(parts[0])]


@symbolic_op
def kron(x1: Any, x2: Any) -> Any:
    """The Kronecker product: x1 with each element replaced by its product with x2."""
    x1, x2 = promote(operand(x1), operand(x2))
    rank = max(x1.ndim, x2.ndim)
    a, b = (reshape(x, (1,) * (rank - x.ndim) + tuple(x.shape)) for x in (x1, x2))
    left = reshape(a, [n for size in a.shape for n in (size, 1)])
    right = reshape(b, [n for size in b.shape for n in (1, size)])
    return reshape(el.multiply(left, right), [n * m for n, m in zip(a.shape, b.shape)])


@symbolic_op
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of a vector's elements as rows, highest first unless `increasing`: (n, N)."""
    x = operand(x)
    count = x.shape[0] if N is None else N
    one = el.ones_like(x)
    powers = list(itertools.accumulate([x] * (count - 1), el.multiply, initial=one))[:count]
    columns = powers if increasing else powers[::-1]
    if not columns:
        return (
            reshape(getitem(x, (slice(0, 0),)), (x.shape[0], 0))
            if not x.shape[0]
            else getitem(expand_dims(x, 1), (slice(None), slice(0, 0)))
        )
    return concatenate([expand_dims(c, -1) for c in columns], -1)


@symbolic_op
def unravel_index(indices: Any, shape: Sequence[int]) -> tuple:
    """The coordinates of indices into a flattened array of `shape`, one array per axis."""
    rest, found = operand(indices), []
    rest = el.where(el.less(rest, 0), el.add(rest, math.prod(shape)), rest)
    for n in reversed(as_shape(shape)):
        found.append(el.mod(rest, n))
        rest = el.floor_divide(rest, n)
    return tuple(reversed(found))


@symbolic_op
def argpartition(x: Any, kth: int, axis: int | None = -1) -> Any:
    """Indices that put the kth smallest element in its place, smaller ones before it; they are sorted here."""
    return argsort(x, axis)


def _blocks(x: Any, block_size: int, data_format: str | None) -> tuple[Any, bool]:
    x = operand(x)
    if x.ndim != 4 or block_size < 1:
        raise ValueError(
            f"expected a 4-D array and a positive block size. Received: shape={x.shape}, block_size={block_size}"
        )
    return x, data_format == "channels_first"


@symbolic_op
def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Channels spread over blocks of pixels: (N, H, W, C·r²) → (N, H·r, W·r, C), or channels first.

    Raises:
        ValueError: if the channels are not divisible by r².
    """
    x, first = _blocks(x, block_size, data_format)
    r = block_size
    n, *rest = x.shape
    channels = rest[0] if first else rest[2]
    if channels % r**2:
        raise ValueError(f"depth_to_space: channels must be divisible by {r**2}. Received: shape={x.shape}")
    if first:
        c, h, w = channels // r**2, rest[1], rest[2]
        return reshape(transpose(reshape(x, (n, c, r, r, h, w)), (0, 1, 4, 2, 5, 3)), (n, c, h * r, w * r))
    h, w, c = rest[0], rest[1], channels // r**2
    return reshape(transpose(reshape(x, (n, h, w, r, r, c)), (0, 1, 3, 2, 4, 5)), (n, h * r, w * r, c))


@symbolic_op
def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Blocks of pixels as channels, the inverse of `depth_to_space`.

    Raises:
        ValueError: if height or width is not divisible by the block size.
    """
    x, first = _blocks(x, block_size, data_format)
    r = block_size
    n, *rest = x.shape
    h, w = (rest[1], rest[2]) if first else (rest[0], rest[1])
    if h % r or w % r:
        raise ValueError(f"space_to_depth: height and width must be divisible by {r}. Received: shape={x.shape}")
    if first:
        c = rest[0]
        return reshape(
            transpose(reshape(x, (n, c, h // r, r, w // r, r)), (0, 1, 3, 5, 2, 4)), (n, c * r * r, h // r, w // r)
        )
    c = rest[2]
    return reshape(
        transpose(reshape(x, (n, h // r, r, w // r, r, c)), (0, 1, 3, 2, 4, 5)), (n, h // r, w // r, r * r * c)
    )


def _windows(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple:
    names = {"kernel_size": kernel_size, "dilation": dilation, "stride": stride}
    kernel, rates, steps = (per_axis(value, 2, name) for name, value in names.items())
    widths = (padding, padding) if isinstance(padding, int) else tuple(padding)
    return kernel, rates, steps, widths


def _offsets(kernel: Any, rates: Any, steps: Any, places: Any) -> list[tuple]:
    """For each element of the window, the strided slices of the padded image that hold it."""
    return [
        tuple(slice(o * r, o * r + (m - 1) * s + 1, s) for o, r, s, m in zip(offset, rates, steps, places))
        for offset in itertools.product(*map(range, kernel))
    ]


def _counts(sizes: Any, kernel: Any, rates: Any, steps: Any, widths: Any) -> list[int]:
    return [(n + 2 * p - r * (k - 1) - 1) // s + 1 for n, k, r, s, p in zip(sizes, kernel, rates, steps, widths)]


@symbolic_op
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The windows of images (N, C, H, W) as columns, (N, C·kH·kW, windows)."""
    x = operand(x)
    kernel, rates, steps, widths = _windows(kernel_size, dilation, padding, stride)
    places = _counts(x.shape[2:], kernel, rates, steps, widths)
    padded = pad(x, ((0, 0), (0, 0), *((p, p) for p in widths))) if any(widths) else x
    parts = [getitem(padded, (slice(None), slice(None), *s)) for s in _offsets(kernel, rates, steps, places)]
    joined = concatenate([expand_dims(p, 2) for p in parts], 2)
    return reshape(joined, (x.shape[0], x.shape[1] * math.prod(kernel), math.prod(places)))


@symbolic_op
def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Windows (N, C·kH·kW, windows) added at their places in images (N, C, H, W): the adjoint of `unfold`.

    Raises:
        ValueError: if the sizes do not fit.
    """
    x = operand(x)
    kernel, rates, steps, widths = _windows(kernel_size, dilation, padding, stride)
    sizes = per_axis(output_size, 2, "output_size")
    places = _counts(sizes, kernel, rates, steps, widths)
    if x.ndim != 3 or x.shape[1] % math.prod(kernel) or x.shape[2] != math.prod(places):
        raise ValueError(
            f"fold expected x of shape (N, C·{math.prod(kernel)}, {math.prod(places)}) for output_size={sizes}. "
            f"Received: shape={x.shape}"
        )
    n, channels = x.shape[0], x.shape[1] // math.prod(kernel)
    blocks = reshape(x, (n, channels, math.prod(kernel), *places))
    shape = (n, channels, *(m + 2 * p for m, p in zip(sizes, widths)))
    total: Any = None
    for k, spans in enumerate(_offsets(kernel, rates, steps, places)):
        block = getitem(blocks, (slice(None), slice(None), k))
        placed = apply(prim.scatter, block, spec=(slice(None), slice(None), *spans), shape=shape)
        total = placed if total is None else el.add(total, placed)
    inner = (slice(p, p + m) for m, p in zip(sizes, widths))
    return getitem(total, (slice(None), slice(None), *inner)) if any(widths) else total


@symbolic_op
def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """The sums of products of a vector with another one shifted along it; mode "valid", "same" or "full".

    Raises:
        ValueError: on another mode, or if x1 or x2 is no vector.
    """
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"mode must be 'valid', 'same' or 'full'. Received: mode={mode!r}")
    x1, x2 = promote(float_operand(x1), float_operand(x2))
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"correlate expected two vectors. Received shapes: {x1.shape} and {x2.shape}")
    n, m = x1.shape[0], x2.shape[0]
    padded = pad(x1, ((m - 1, m - 1),))
    full = matmul(_hankel(padded, n + m - 1, m), x2)
    if mode == "full":
        return full
    low = min(n, m) - 1 if mode == "valid" else (m - 1) // 2 if n >= m else m - 1 - (m - 1) // 2 + (n - m)
    if mode == "same":
        low = (min(n, m) - 1 + (0 if n >= m else 1) * ((m - n) * 0)) // 2 if n >= m else min(n, m) // 2
    return getitem(full, (slice(low, low + (max(n, m) if mode == "same" else max(n, m) - min(n, m) + 1)),))


def _hankel(x: Any, rows: int, columns: int) -> Any:
    """(rows, columns) with x[i + j]."""
    places = np.arange(rows)[:, None] + np.arange(columns)
    return getitem(x, (to_device(places, device_of(raw(x))),))


@symbolic_op
def cdist(x: Any, y: Any) -> Any:
    """The Euclidean distances of all pairs of rows: (…, n, d) and (…, m, d) → (…, n, m)."""
    x, y = promote(float_operand(x), float_operand(y))
    squares = sum_(el.square(el.subtract(expand_dims(x, -2), expand_dims(y, -3))), -1)
    apart = el.greater(squares, 0)
    return el.where(apart, el.sqrt(el.where(apart, squares, 1.0)), 0.0)
