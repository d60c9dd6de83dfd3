"""Sums over the leading axes of a contiguous array by BLAS: a row of ones times the matrix."""

from __future__ import annotations

import functools
import math

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.threads import ONE_THREAD_VECTOR, blas_threads
from gpunet.backend.portable.reduction import argmax as portable_argmax
from gpunet.backend.portable.reduction import mean as portable_mean
from gpunet.backend.portable.reduction import sum_ as portable_sum
from gpunet.backend.primitives import reduction as prim


@functools.lru_cache(maxsize=64)
def _ones(count: int, dtype: np.dtype) -> np.ndarray:
    ones = np.ones(count, dtype)
    ones.flags.writeable = False
    return ones


_BLOCK = 4096  # rows per product: keeps float32 sums of many rows accurate, as pairwise summation does
_SMALL = 1024  # items of an array that a ufunc reduces
_NARROW = 64  # columns below which a row is too short for BLAS or a ufunc to be quick


def _is_tall(matrix: np.ndarray) -> bool:
    return matrix.shape[1] < _NARROW and matrix.shape[0] >= 512


def sum_rows(matrix: np.ndarray) -> np.ndarray:
    """The sum over the first axis of a contiguous float matrix."""
    rows, columns = matrix.shape
    if _is_tall(matrix):
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


def is_narrow(matrix: np.ndarray) -> bool:
    """Whether it has several rows, which are better reduced column by column."""
    return matrix.ndim == 2 and matrix.shape[0] > 1 and 0 < matrix.shape[1] < _NARROW


@cpu.implements(prim.sum)
def sum(x, *, axis=None, keepdims=False, out=None):
    if x.size < _SMALL and x.dtype.char in "fd":
        return np.asarray(np.add.reduce(x, axis=axis, keepdims=keepdims, out=out))
    if not _is_over_rows(x, axis):
        return portable_sum(np, x, axis=axis, keepdims=keepdims, out=out)
    rest = x.shape[len(axis) :]
    with blas_threads(x.size, ONE_THREAD_VECTOR):
        total = sum_rows(x.reshape(-1, math.prod(rest)))
    total = total.reshape((1,) * len(axis) * keepdims + rest)
    if out is None:
        return total
    out[...] = total
    return out


def _is_over_rows(x, axis) -> bool:
    """Whether `axis` are the leading ones, but not all, of a contiguous array that is not small."""
    leading = axis is not None and 0 < len(axis) < x.ndim and axis == tuple(range(len(axis)))
    return leading and x.dtype.char in "fd" and x.flags.c_contiguous and x.size >= _SMALL


@cpu.binds(prim.sum)
def bind_sum(x, *, axis=None, keepdims=False, out=None):
    if out is None or x.dtype.char not in "fd":
        return None
    if x.size < _SMALL:
        return functools.partial(np.add.reduce, x, axis, None, out, keepdims)
    if not _is_over_rows(x, axis) or not out.flags.c_contiguous:
        return None
    matrix, total = x.reshape(-1, math.prod(x.shape[len(axis) :])), out.reshape(-1)
    if _is_tall(matrix) or x.size > ONE_THREAD_VECTOR:

        def run():
            with blas_threads(x.size, ONE_THREAD_VECTOR):
                np.copyto(total, sum_rows(matrix))
            return out

        return run
    return functools.partial(np.dot, _ones(matrix.shape[0], matrix.dtype), matrix, total)


@cpu.binds(prim.mean)
def bind_mean(x, *, axis=None, keepdims=False, out=None):
    add_up = bind_sum(x, axis=axis, keepdims=keepdims, out=out)
    if add_up is None or not x.size:
        return None
    factor = np.asarray(out.size / x.size, x.dtype)

    def run():
        add_up()
        return np.multiply(out, factor, out)

    return run


@cpu.implements(prim.argmax)
def argmax(x, *, axis, keepdims=False, out=None):
    return portable_argmax(np, x, axis=axis, keepdims=keepdims, out=out)


@cpu.binds(prim.argmax)
def bind_argmax(x, *, axis, keepdims=False, out=None):
    if out is None:
        return None
    found = np.empty(np.delete(x.shape, axis), np.intp)
    target = out.reshape(found.shape)

    def run():
        x.argmax(axis, found)
        np.copyto(target, found, casting="unsafe")
        return out

    return run


@cpu.implements(prim.mean)
def mean(x, *, axis=None, keepdims=False, out=None):
    if x.dtype.char not in "fd" or not x.size:
        return portable_mean(np, x, axis=axis, keepdims=keepdims, out=out)
    total = sum(x, axis=axis, keepdims=keepdims, out=out)
    return np.multiply(total, total.size / x.size, out=total if out is None and total.ndim else out)
