"""Elementwise launches: operands that broadcast, and where results go."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from gpunet.backend.cuda.arrays import empty, flat_grid
from gpunet.backend.cuda.launcher import Kernel
from gpunet.backend.cuda.layouts import MAX_RANK, map_layout, memory_of


def common_shape(*operands: Any) -> tuple[int, ...]:
    """The broadcast shape of arrays and Python numbers."""
    return _broadcast(*[a.shape for a in operands if hasattr(a, "shape")])


@functools.lru_cache(4096)
def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    return np.broadcast_shapes(*shapes)


def can_map(*operands: Any) -> bool:
    """True where a kernel can go through the operands: not empty, and small enough for 32-bit counts."""
    shape = common_shape(*operands)
    return len(shape) <= MAX_RANK and 0 < math.prod(shape) < 2**31


def run_map(kernel: Kernel, out: Any, *operands: Any, numbers: tuple[Any, ...] = ()) -> Any:
    """Launch a kernel(operands, out, numbers, layout); an operand that is not an array becomes a null pointer.

    Returns:
        `out`.
    """
    arrays = [x if hasattr(x, "shape") else None for x in operands]
    layout, groups = map_layout(kernel, out.shape, *map(memory_of, (out, *arrays)))
    kernel(flat_grid(out, groups, kernel.threads), *arrays, out, *numbers, layout)
    return out


def result_of(out: Any, dtype: Any, *operands: Any) -> Any:
    """`out`, or a new array for the result of broadcast operands, in the memory order of the largest.

    Raises:
        ValueError: if `out` has another shape or dtype.
    """
    shape = common_shape(*operands)
    if out is not None:
        if out.shape != shape or out.dtype != dtype:
            raise ValueError(f"out must be of shape {shape} and {dtype}. Received: {out.shape}, {out.dtype}")
        return out
    like = next((a for a in operands if hasattr(a, "shape") and a.shape == shape), None)
    if like is None or like.flags.c_contiguous:
        return empty(next(a for a in operands if hasattr(a, "shape")), shape, dtype)
    order, back = _memory_order(shape, like.strides)
    return empty(like, tuple(shape[d] for d in order), dtype).transpose(back)


@functools.lru_cache(1024)
def _memory_order(shape, strides) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes from the farthest apart in memory to the closest, and the inverse; as they are for broadcast arrays."""
    axes = range(len(shape))
    if any(s == 0 and n > 1 for n, s in zip(shape, strides)):
        return tuple(axes), tuple(axes)
    order = tuple(sorted(axes, key=lambda d: -abs(strides[d])))
    return order, tuple(order.index(d) for d in axes)
