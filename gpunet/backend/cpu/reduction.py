"""Sums over the first, the last or all axes of a contiguous array by BLAS: ones times the matrix, or it times ones."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

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
_SHORT = 4096  # the same, where it reduces all of it or along its last axes
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


def _sum_columns(matrix: np.ndarray) -> np.ndarray:
    """The sum over the last axis, of at most `_BLOCK` items."""
    return np.dot(matrix, _ones(matrix.shape[1], matrix.dtype))


def _sum_all(flat: np.ndarray) -> np.ndarray:
    """The sum of a long vector: of as few rows as may be, then of one row in pairs."""
    whole = flat.size // _BLOCK * _BLOCK
    total = np.add.reduce(sum_rows(flat[:whole].reshape(-1, _BLOCK)))
    return np.asarray(total + np.add.reduce(flat[whole:]))


def _by_blas(x: np.ndarray, axis: tuple[int, ...] | None) -> tuple[Callable, np.ndarray] | None:
    """A function that adds up what is not small along these axes, and x as it takes it; None for a ufunc to do it."""
    if x.dtype.char not in "fd" or not x.flags.c_contiguous or x.size < _SMALL or axis == ():
        return None
    count = x.ndim if axis is None else len(axis)
    if count == x.ndim:
        return (_sum_all, x.reshape(-1)) if x.size >= _SHORT else None
    if axis == tuple(range(count)):
        return sum_rows, x.reshape(-1, math.prod(x.shape[count:]))
    inner = math.prod(x.shape[x.ndim - count :])
    if axis == tuple(range(x.ndim - count, x.ndim)) and x.size >= _SHORT and 1 < inner <= _BLOCK:
        return _sum_columns, x.reshape(-1, inner)
    return None


@cpu.implements(prim.sum)
def sum(x, *, axis=None, keepdims=False, out=None):
    if x.size < _SMALL and x.dtype.char in "fd":
        return np.asarray(np.add.reduce(x, axis=axis, keepdims=keepdims, out=out))
    found = _by_blas(x, axis)
    if found is None:
        return portable_sum(np, x, axis=axis, keepdims=keepdims, out=out)
    add_up, matrix = found
    with blas_threads(x.size, ONE_THREAD_VECTOR):
        total = add_up(matrix)
    summed = range(x.ndim) if axis is None else axis
    total = total.reshape([1 if i in summed else n for i, n in enumerate(x.shape) if keepdims or i not in summed])
    if out is None:
        return total
    out[...] = total
    return out


@cpu.binds(prim.sum)
def bind_sum(x, *, axis=None, keepdims=False, out=None):
    if out is None or x.dtype.char not in "fd":
        return None
    if x.size < _SMALL:
        return functools.partial(np.add.reduce, x, axis, None, out, keepdims)
    found = _by_blas(x, axis)
    if found is None or not out.flags.c_contiguous:
        return None
    (add_up, matrix), total = found, out.reshape(-1)
    if add_up is sum_rows and not _is_tall(matrix) and x.size <= ONE_THREAD_VECTOR:
        return functools.partial(np.dot, _ones(matrix.shape[0], matrix.dtype), matrix, total)

    def run():
        with blas_threads(x.size, ONE_THREAD_VECTOR):
            np.copyto(total, add_up(matrix))
        return out

    return run


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
