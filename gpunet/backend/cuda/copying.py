"""Copies between arrays of any strides, and the kernels that move elements without looking inside."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet.backend.cuda.launcher import Family
from gpunet.backend.cuda.layouts import MAX_RANK, map_layout, memory_of, merged_axes
from gpunet.backend.cuda.runtime import runtime_of
from gpunet.backend.cuda.source import C_TYPES

WORDS = {size: np.dtype(f"uint{8 * size}") for size in (1, 2, 4, 8)}
MOVE = Family("move.cu", TYPE=[C_TYPES[word] for word in WORDS.values()])


def flat_grid(array: Any, elements: int, threads: int) -> int:
    """Blocks for a kernel whose threads stride over `elements`: enough to fill the device, and no idle ones."""
    return max(1, min(math.ceil(elements / threads), 32 * runtime_of(array).multiprocessors()))


def copy_into(out: Any, x: Any) -> None:
    """out[...] = x for two arrays of one shape, dtype and device."""
    if not x.size:
        return
    if (x.ndim > MAX_RANK and len(merged_axes(x.shape, out.strides, x.strides)[0]) > MAX_RANK) or x.size >= 2**31:
        out[...] = x
        return
    word = WORDS[x.dtype.itemsize]
    kernel = MOVE(TYPE=C_TYPES[word])["strided_copy"]
    layout, groups = map_layout(kernel, x.shape, memory_of(out), memory_of(x))
    kernel(flat_grid(x, groups, kernel.threads), x.view(word), out.view(word), layout)
