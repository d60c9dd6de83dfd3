"""Copies between arrays of any strides, by a kernel of our own."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from gpunet.backend.cuda.launcher import Family
from gpunet.backend.cuda.runtime import runtime_of
from gpunet.backend.cuda.source import C_TYPES

MAX_RANK = 8
_WORDS = {size: np.dtype(f"uint{8 * size}") for size in (1, 2, 4, 8)}
COPY = Family("copy.cu", TYPE=[C_TYPES[word] for word in _WORDS.values()])


def flat_grid(array: Any, elements: int, threads: int) -> int:
    """Blocks for a kernel whose threads stride over `elements`: enough to fill the device, and no idle ones."""
    return max(1, min(math.ceil(elements / threads), 32 * runtime_of(array).multiprocessors()))


def copy_into(out: Any, x: Any) -> None:
    """out[...] = x for two arrays of one shape, dtype and device."""
    if not x.size:
        return
    sizes, from_strides, to_strides = _merged(x.shape, x.strides, out.strides)
    if len(sizes) > MAX_RANK or x.size >= 2**31:
        out[...] = x
        return
    word = _WORDS[x.dtype.itemsize]
    kernel = COPY(TYPE=C_TYPES[word])["strided_copy"]
    shape = _shape(kernel, sizes, from_strides, to_strides, word.itemsize)
    kernel(flat_grid(x, x.size, kernel.threads), x.view(word), out.view(word), shape, len(sizes), x.size)


@functools.lru_cache(1024)
def _shape(kernel, sizes, from_strides, to_strides, itemsize):
    missing = MAX_RANK - len(sizes)
    return kernel.struct(
        "shape",
        sizes=[*sizes, *[1] * missing],
        **{"from": [*(s // itemsize for s in from_strides), *[0] * missing]},
        to=[*(s // itemsize for s in to_strides), *[0] * missing],
    )


def _merged(shape, from_strides, to_strides):
    """Shape and strides without axes of size 1, neighbours joined where both arrays step through them as one."""
    axes: list[tuple[int, int, int]] = []
    for n, a, b in zip(shape, from_strides, to_strides):
        if n == 1:
            continue
        if axes and axes[-1][1] == n * a and axes[-1][2] == n * b:
            axes[-1] = (axes[-1][0] * n, a, b)
        else:
            axes.append((n, a, b))
    return tuple(zip(*axes)) if axes else ((), (), ())
