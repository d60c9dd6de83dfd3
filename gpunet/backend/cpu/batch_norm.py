"""Batch normalisation on NumPy, alone and ended by an addition and a ReLU: two passes over blocks that stay in cache.

Sums are taken per block in the arrays' dtype, then in float64; the blocks depend on the shape alone, and so results do
not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.elementwise import rectify
from gpunet.backend.cpu.reduction import sum_rows
from gpunet.backend.cpu.scratch import scratch
from gpunet.backend.cpu.threads import split
from gpunet.backend.memory import empty
from gpunet.backend.portable import nn as portable
from gpunet.backend.primitives import nn as prim

_ROW_ITEMS = 1024  # rows are widened to about so many items, since a short inner loop costs more than its work
_SMALL_BLOCK, _LARGE_BLOCK = 512 * 1024, 1024 * 1024  # bytes: smaller ones, and threads would meet at the GIL
_BOOL = np.dtype(bool)


def widened(x, *vectors):
    """x as a matrix with several rows side by side, and channel vectors repeated to match.

    (rows, channels) becomes (rows / r, r·channels) with r dividing the number of rows.
    """
    channels = x.shape[-1]
    rows = x.size // channels
    repeat = 1
    while repeat * channels < _ROW_ITEMS and rows % (repeat * 2) == 0:
        repeat *= 2
    return x.reshape(rows // repeat, repeat * channels), *(np.tile(v, repeat) for v in vectors)


def _blocks(wide):
    """Into how many blocks of how many rows a matrix is cut."""
    step = max(1, min(max(wide.nbytes // 4, _SMALL_BLOCK), _LARGE_BLOCK) // (wide.shape[1] * wide.itemsize))
    return -(-wide.shape[0] // step), step


def each_block(function, wide):
    """Call `function(number, rows)` for blocks of rows of a matrix, in several threads if it is large."""
    count, step = _blocks(wide)

    def part(first, last):
        for number in range(first, last):
            function(number, slice(number * step, (number + 1) * step))

    split(part, count, wide.nbytes // 2)


def _block_sums(wide):
    """Storage for two sums of the columns of each block."""
    return np.empty((_blocks(wide)[0], 2, wide.shape[1]), wide.dtype)


def _channel_totals(sums, channels):
    """Of both sums over all blocks and places, in float64."""
    return sums.sum(axis=0, dtype=np.float64).reshape(2, -1, channels).sum(axis=1)


def _is_left_out(*arrays):
    """Whether these arrays are for the portable reading: none, 16 bits, or of several dtypes."""
    x = arrays[0]
    return not x.size or x.dtype.char not in "fd" or any(a is not None and a.dtype != x.dtype for a in arrays)


def _flat(*arrays):
    return [a if a is None else np.ascontiguousarray(a) for a in arrays]


def _storage(x, out):
    """`out` where blocks of it can be written as they lie, else a new array."""
    return out if out is not None and out.flags.c_contiguous else empty(x.shape, x.dtype)


def _delivered(result, out):
    if out is None or out is result:
        return result
    out[...] = result
    return out


def _forward(x, gamma, beta, addend, relu, epsilon, y):
    """Fill y; return mean, biased variance and 1 / √(variance + epsilon) of the channels of contiguous arrays.

    The first pass leaves x − pivot in y, the pivot being near the mean: neither squares nor products lose digits.
    """
    channels, kind = x.shape[-1], x.dtype.type
    pivot = x.reshape(-1, channels)[0].copy()
    wide, row = widened(x, pivot)
    target, addend = y.reshape(wide.shape), None if addend is None else addend.reshape(wide.shape)
    sums = _block_sums(wide)

    def add_up(number, rows):
        centred = np.subtract(wide[rows], row, out=target[rows])
        sums[number, 0] = sum_rows(centred)
        np.einsum("ij,ij->j", centred, centred, out=sums[number, 1])

    each_block(add_up, wide)
    shift, square = _channel_totals(sums, channels) / (x.size // channels)
    variance = np.maximum(square - shift * shift, 0).astype(x.dtype)
    inverse = 1 / np.sqrt(variance + kind(epsilon))
    scale = inverse if gamma is None else inverse * gamma
    offset = -shift.astype(x.dtype) * scale
    _, scale, offset = widened(x, scale, offset if beta is None else offset + beta)

    def normalise(_, rows):
        part = target[rows]
        np.multiply(part, scale, out=part)
        np.add(part, offset, out=part)
        if addend is not None:
            np.add(part, addend[rows], out=part)
        if relu:
            rectify(part, part)

    each_block(normalise, wide)
    return (pivot + shift).astype(x.dtype), variance, inverse


@cpu.implements(prim.batch_norm)
def batch_norm(x, gamma, beta, *, epsilon, out=None, residuals=False):
    if _is_left_out(x, gamma, beta, out):
        return portable.batch_norm(np, x, gamma, beta, epsilon=epsilon, out=out, residuals=residuals)
    y = _storage(x, out)
    mean, variance, inverse = _forward(*_flat(x, gamma, beta, None), False, epsilon, y)
    return (_delivered(y, out), mean, variance), (mean, inverse) if residuals else ()


@cpu.implements(prim.batch_norm_relu)
def batch_norm_relu(x, gamma, beta, addend, *, epsilon, out=None, residuals=False):
    if _is_left_out(x, gamma, beta, addend, out):
        return portable.batch_norm_relu(np, x, gamma, beta, addend, epsilon=epsilon, out=out, residuals=residuals)
    y = _storage(x, out)
    mean, variance, inverse = _forward(*_flat(x, gamma, beta, addend), True, epsilon, y)
    y = _delivered(y, out)
    return (y, mean, variance), (mean, inverse, y) if residuals else ()


def _backward(g, y, x, gamma, mean, inverse, through, dx):
    """Fill dx, and `through` with g where y > 0, of contiguous arrays; return the gradients of gamma and beta.

    Where y is None there was no ReLU, and `through` is g itself.
    """
    channels, kind = x.shape[-1], x.dtype.type
    wide, mean = widened(x, mean)
    g, through, dx = (a.reshape(wide.shape) for a in (g, through, dx))
    y = None if y is None else y.reshape(wide.shape)
    sums = _block_sums(wide)

    def add_up(number, rows):
        part = through[rows]
        if y is not None:
            won = np.greater(y[rows], 0, out=scratch("won", part.shape, _BOOL))
            np.multiply(g[rows], won, out=part)
        sums[number, 0] = sum_rows(part)
        centred = np.subtract(wide[rows], mean, out=scratch("centred", part.shape, x.dtype))
        np.einsum("ij,ij->j", part, centred, out=sums[number, 1])

    each_block(add_up, wide)
    totals = _channel_totals(sums, channels).astype(x.dtype)
    dbeta, dgamma = totals[0], totals[1] * inverse
    count = kind(x.size // channels)
    scale = inverse if gamma is None else inverse * gamma
    slope = -scale * inverse * dgamma / count  # of x − mean
    _, scale, slope, offset = widened(x, scale, slope, -scale * dbeta / count)

    def combine(_, rows):
        part = np.multiply(through[rows], scale, out=dx[rows])
        centred = np.subtract(wide[rows], mean, out=scratch("centred", part.shape, x.dtype))
        np.multiply(centred, slope, out=centred)
        np.add(part, centred, out=part)
        np.add(part, offset, out=part)

    each_block(combine, wide)
    return dgamma, dbeta


@cpu.implements(prim.batch_norm_grad)
def batch_norm_grad(g, x, gamma, mean, inverse, *, epsilon, out=None):
    if _is_left_out(x, g, gamma, mean, inverse, out):
        return portable.batch_norm_grad(np, g, x, gamma, mean, inverse, epsilon=epsilon, out=out)
    dx = _storage(x, out)
    g, x, gamma = _flat(g, x, gamma)
    gradients = _backward(g, None, x, gamma, mean, inverse, g, dx)
    return _delivered(dx, out), *gradients


@cpu.implements(prim.batch_norm_relu_grad)
def batch_norm_relu_grad(g, x, gamma, mean, inverse, y, *, epsilon, with_addend, out=None):
    if _is_left_out(x, g, gamma, mean, inverse, y, out):
        options = {"epsilon": epsilon, "with_addend": with_addend, "out": out}
        return portable.batch_norm_relu_grad(np, g, x, gamma, mean, inverse, y, **options)
    dx = _storage(x, out)
    g, x, gamma, y = _flat(g, x, gamma, y)
    through = empty(x.shape, x.dtype) if with_addend else dx
    gradients = _backward(g, y, x, gamma, mean, inverse, through, dx)
    return _delivered(dx, out), *gradients, *((through,) if with_addend else ())
