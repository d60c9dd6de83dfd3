"""Elementwise launches: the layout that a kernel over `map.cuh` reads its operands by, and where results go."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from gpunet.backend.cuda.arrays import empty, flat_grid
from gpunet.backend.cuda.launcher import VECTOR_BYTES, Kernel, address, pack

MAX_RANK = 6
MAX_ARRAYS = 4
GROUP = 4  # neighbours that a thread computes


def common_shape(*operands: Any) -> tuple[int, ...]:
    """The broadcast shape of arrays and Python numbers."""
    shapes = [a.shape for a in operands if hasattr(a, "shape")]
    return shapes[0] if all(s == shapes[0] for s in shapes) else np.broadcast_shapes(*shapes)


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
    layout, groups = _layout(kernel, out.shape, *map(_memory, (out, *arrays)))
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


def _memory(array):
    """What the layout depends on: shape, strides, element size, and whether vectors may begin at its first element."""
    if array is None:
        return None
    itemsize = array.dtype.itemsize
    aligned = address(array) % min(GROUP * itemsize, VECTOR_BYTES) == 0
    return array.shape, array.strides, itemsize, aligned


@functools.lru_cache(4096)
def _layout(kernel, shape, *memories) -> tuple[np.ndarray, int]:
    """The MapLayout of the output and the operands, and the number of groups."""
    strides = [_broadcast_strides(shape, memory) for memory in memories]
    sizes, *strides = merged_axes(shape, *strides)
    outer, inner = sizes[:-1], sizes[-1]
    groups_per_row = -(-inner // GROUP)
    table = np.zeros((MAX_ARRAYS, MAX_RANK), int)
    for k, steps in enumerate(strides):
        table[k, : len(outer)] = steps[:-1]
        table[k, -1] = steps[-1]
    vectors = sum(_moves_as_vectors(m, s) << k for k, (m, s) in enumerate(zip(memories, strides)))
    groups = groups_per_row * math.prod(outer)
    fields = {
        "groups_per_row": groups_per_row,
        "sizes": [*outer, *[1] * (MAX_RANK - 1 - len(outer))],
        "outer": len(outer),
        "inner": inner,
        "groups": groups,
        "vectors": vectors,
        "strides": table.reshape(-1).tolist(),
    }
    dtype = kernel.signature.parameters[-1].dtype
    return pack(dtype, fields, f"{kernel.name}: layout"), groups


def _broadcast_strides(shape, memory):
    """Strides in elements, 0 along axes that are broadcast; 0 everywhere for a number."""
    if memory is None:
        return (0,) * len(shape)
    own_shape, own_strides, itemsize, _ = memory
    steps = [0 if n == 1 else stride // itemsize for n, stride in zip(own_shape, own_strides)]
    return (*[0] * (len(shape) - len(steps)), *steps)


def _moves_as_vectors(memory, steps) -> bool:
    return memory is not None and memory[-1] and steps[-1] == 1 and all(s % GROUP == 0 for s in steps[:-1])


def merged_axes(shape, *strides):
    """Shape and strides of arrays that are walked together: no axes of size 1, ordered by the first array's memory.

    Neighbouring axes that every array steps through as one are joined. There is at least one axis.
    """
    axes = [axis for axis in zip(shape, *strides) if axis[0] != 1]
    axes.sort(key=lambda axis: -abs(axis[1]))
    joined: list[tuple] = []
    for n, *steps in axes:
        if joined and all(outer == n * inner for outer, inner in zip(joined[-1][1:], steps)):
            joined[-1] = (joined[-1][0] * n, *steps)
        else:
            joined.append((n, *steps))
    return tuple(zip(*(joined or [(1, *[1] * len(strides))])))
