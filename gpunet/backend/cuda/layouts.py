"""How elementwise kernels read and write arrays of any strides: the `MapLayout` of `map.cuh`."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from gpunet.backend.cuda.launcher import VECTOR_BYTES, Kernel, address, pack

MAX_RANK = 6
MAX_ARRAYS = 4
GROUP = 4  # neighbours that a thread computes


class Memory(NamedTuple):
    """How an operand lies in memory: strides in bytes, and whether vectors may begin at its first element."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    itemsize: int
    aligned: bool


def memory_of(array: Any) -> Memory | None:
    """The layout of an array; None stays None."""
    if array is None:
        return None
    itemsize = array.dtype.itemsize
    aligned = address(array) % min(GROUP * itemsize, VECTOR_BYTES) == 0
    return Memory(array.shape, array.strides, itemsize, aligned)


@functools.lru_cache(4096)
def map_layout(kernel: Kernel, shape: tuple[int, ...], *memories: Memory | None) -> tuple[np.ndarray, int]:
    """The MapLayout of the output and the operands that broadcast to `shape`, and the number of groups."""
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
    steps = [0 if n == 1 else stride // memory.itemsize for n, stride in zip(memory.shape, memory.strides)]
    return (*[0] * (len(shape) - len(steps)), *steps)


def _moves_as_vectors(memory, steps) -> bool:
    return memory is not None and memory.aligned and steps[-1] == 1 and all(s % GROUP == 0 for s in steps[:-1])


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
