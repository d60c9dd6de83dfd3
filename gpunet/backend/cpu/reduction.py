"""Sums over the leading axes of a contiguous array by BLAS: a row of ones times the matrix."""

from __future__ import annotations

import functools
import math

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.threads import blas_threads
from gpunet.backend.portable.reduction import mean as portable_mean
from gpunet.backend.portable.reduction import sum_ as portable_sum
from gpunet.backend.primitives import reduction as prim


@functools.lru_cache(maxsize=64)
def _ones(count: int, dtype: np.dtype) -> np.ndarray:
    ones = np.ones(count, dtype)
    ones.flags.writeable = False
    return ones


_BLOCK = 4096  # rows per product: keeps float32 sums of many rows accurate, as pairwise summation does
_NARROW = 64  # columns below which a row is too short for BLAS or a ufunc to be quick


def sum_rows(matrix: np.ndarray) -> np.ndarray:
    """The sum over the first axis of a contiguous float matrix."""
    rows, columns = matrix.shape
    if columns < _NARROW and rows >= 512:
        return _sum_narrow(matrix)
    if rows <= _BLOCK:
        return np.dot(_ones(rows, matrix.dtype), matrix)
    whole = rows // _BLOCK * _BLOCK
    parts = np.matmul(_ones(_BLOCK, matrix.dtype), matrix[:whole].reshape(-1, _BLOCK, columns))
    total = parts.sum(axis=0)
    return total + np.dot(_ones(rows - whole, matrix.dtype), matrix[whole:]) if whole < rows else total


def _sum_narrow(matrix: np.ndarray) -> np.ndarray:
    """The sum of rows that are laid side by side first, many to a wide one."""
    rows, columns = matrix.shape
    side = max(1, 1024 // columns)
    whole = rows // side * side
    wide = matrix[:whole].reshape(-1, side * columns)
    total = sum_rows(wide).reshape(side, columns).sum(axis=0)
    return total + matrix[whole:].sum(axis=0) if whole < rows else total


@cpu.implements(prim.sum)
def sum(x, *, axis=None, keepdims=False, out=None):
    if x.size < 1024 and x.dtype.char in "fd":
        return np.asarray(np.add.reduce(x, axis=axis, keepdims=keepdims, out=out))
    leading = axis is not None and 0 < len(axis) < x.ndim and axis == tuple(range(len(axis)))
    if not leading or x.dtype.char not in "fd" or not x.flags.c_contiguous or x.size < 1024:
        return portable_sum(np, x, axis=axis, keepdims=keepdims, out=out)
    rest = x.shape[len(axis) :]
    with blas_threads(x.size):
        total = sum_rows(x.reshape(-1, math.prod(rest)))
    total = total.reshape((1,) * len(axis) * keepdims + rest)
    if out is None:
        return total
    out[...] = total
    return out


@cpu.implements(prim.mean)
def mean(x, *, axis=None, keepdims=False, out=None):
    if x.dtype.char not in "fd" or not x.size:
        return portable_mean(np, x, axis=axis, keepdims=keepdims, out=out)
    total = sum(x, axis=axis, keepdims=keepdims, out=out)
    return np.multiply(total, total.size / x.size, out=total if out is None and total.ndim else out)
