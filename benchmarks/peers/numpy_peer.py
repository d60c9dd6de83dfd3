"""Plain NumPy, for the physical limits: the rate of its BLAS, and how fast memory can be copied."""

from __future__ import annotations

import numpy as np

from benchmarks.peers.task import Mode, Work


def set_up(mode: Mode) -> None:
    """NumPy needs nothing."""


def product(size: int, mode: Mode) -> Work:
    """A square float32 matrix product."""
    a = np.ones((size, size), "float32")
    out = np.empty_like(a)
    return Work(lambda: np.matmul(a, a, out=out))


def copy(nbytes: int, mode: Mode) -> Work:
    """A copy of so many bytes into memory that exists, by one thread."""
    source = np.ones(nbytes // 4, "float32")
    target = np.empty_like(source)
    return Work(lambda: np.copyto(target, source))
