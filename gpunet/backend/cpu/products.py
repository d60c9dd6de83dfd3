"""Products of two matrices by BLAS, large ones in parts on the threads that share other work too.

BLAS has threads of its own, which spin for milliseconds after a product on the cores that the next split wants. So they
are left to programs that do nothing but products too small to be worth sharing in Python.
"""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu.threads import blas_threads, has_every_core, split

_LARGE = 1 << 24  # multiplications: 0.1 ms, several times what waking a thread takes
_TILE = 64  # rows or columns: what BLAS works on at a time is a part of it


def multiply(a, b, out=None):
    """a @ b for matrices of float32 or float64."""
    multiplications = a.size * b.shape[1]
    if multiplications < _LARGE or not has_every_core():
        with blas_threads(multiplications):
            return np.matmul(a, b, out=out)
    y = np.empty((a.shape[0], b.shape[1]), a.dtype) if out is None else out
    by_rows = y.shape[0] >= y.shape[1]

    def part(first, last):
        some = slice(first * _TILE, last * _TILE)
        if by_rows:
            np.matmul(a[some], b, out=y[some])
        else:
            np.matmul(a, b[:, some], out=y[:, some])

    split(part, -(-max(y.shape) // _TILE), multiplications)
    return y
