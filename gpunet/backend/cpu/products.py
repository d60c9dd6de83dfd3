"""Products of two matrices by BLAS, large ones in parts on the threads that share other work too.

BLAS has threads of its own, which spin for milliseconds after a product on the cores that the next split wants. So they
are left to programs that do nothing but products too small to be worth sharing in Python.
"""

from __future__ import annotations

import functools

import numpy as np

from gpunet.backend.cpu.threads import ONE_THREAD, blas_threads, has_every_core, split
from gpunet.backend.memory import empty

_LARGE = 1 << 24  # multiplications: 0.1 ms, several times what waking a thread takes
_TILE = 64  # rows or columns: what BLAS works on at a time is a part of it


def multiply(a, b, out=None):
    """a @ b for matrices of float32 or float64."""
    out = empty((a.shape[0], b.shape[1]), a.dtype) if out is None else out
    return multiplying(a, b, out)()


def multiplying(a, b, out):
    """A function that computes out = a @ b and returns it, to be called many times."""
    multiplications = a.size * b.shape[1]
    if multiplications <= ONE_THREAD:
        return functools.partial(np.matmul, a, b, out)

    def run():
        with blas_threads(multiplications):
            return np.matmul(a, b, out)

    return run if multiplications < _LARGE else lambda: _share(a, b, out) if has_every_core() else run()


def _share(a, b, out):
    """The product in parts of its rows, or of its columns if there are more."""
    by_rows = out.shape[0] >= out.shape[1]

    def part(first, last):
        some = slice(first * _TILE, last * _TILE)
        if by_rows:
            np.matmul(a[some], b, out=out[some])
        else:
            np.matmul(a, b[:, some], out=out[:, some])

    split(part, -(-max(out.shape) // _TILE), a.size * b.shape[1])
    return out
