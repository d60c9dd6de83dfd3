"""Batch normalisation in two passes over the data, forward and backward; sums in blocks of rows, then in float64."""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu.nn import widened
from gpunet.backend.cpu.results import deliver, target
from gpunet.backend.numba_cpu import loops, numba
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.primitives import nn as prim

_SMALL = 1 << 17  # items: below it compiling would take longer than it saves in most programs
_BLOCK_ITEMS = 1 << 15  # of a block of rows that is summed in float32

_MATRIX, _VECTOR, _RANGE = "float32[:, ::1]", "float32[::1]", "intp"
_MOMENTS = Loop(loops.moments, f"void({_MATRIX}, {_VECTOR}, {_MATRIX}, {_MATRIX}, intp, {_RANGE})")
_NORMALISE = Loop(loops.normalise, f"void({_MATRIX}, {_MATRIX}, {_VECTOR}, {_VECTOR}, {_VECTOR}, {_RANGE})")
_PRODUCTS = Loop(loops.products, f"void({_MATRIX}, {_MATRIX}, {_VECTOR}, {_MATRIX}, {_MATRIX}, intp, {_RANGE})")
_COMBINE = Loop(loops.combine, f"void({', '.join([_MATRIX] * 3 + [_VECTOR] * 4)}, {_RANGE})")


def _suits(x) -> bool:
    return x.dtype.char == "f" and x.size >= _SMALL


def _block_sums(code, wide, channels, *operands):
    """Two sums over the rows of `wide` for each channel, in float64; `code` gets `operands` before the sums."""
    rows = max(1, _BLOCK_ITEMS // wide.shape[1])
    blocks = -(-wide.shape[0] // rows)
    first, second = np.empty((2, blocks, wide.shape[1]), np.float32)
    code(*operands, first, second, rows)
    return [s.sum(axis=0, dtype=np.float64).reshape(-1, channels).sum(axis=0) for s in (first, second)]


@numba.implements(prim.batch_norm)
def batch_norm(x, gamma, beta, *, epsilon, out=None, residuals=False):
    if not _suits(x) or None in (codes := [loop.now(x.size) for loop in (_MOMENTS, _NORMALISE)]):
        return NotImplemented
    moments, normalise = codes
    x = np.ascontiguousarray(x)
    channels = x.shape[-1]
    count = x.size // channels
    pivot = x.reshape(count, channels)[0].copy()  # near the mean of its channel, so that squares lose no digits
    wide, wide_pivot = widened(x, pivot)
    sums, squares = _block_sums(moments, wide, channels, wide, wide_pivot)
    shift = sums / count
    mean = (pivot + shift).astype(np.float32)
    variance = np.maximum(squares / count - shift * shift, 0).astype(np.float32)
    inverse = 1 / np.sqrt(variance + np.float32(epsilon))
    scale = inverse if gamma is None else inverse * gamma
    y = target(x.shape, out)
    vectors = [_tile(v, wide, channels) for v in (mean, scale, np.zeros_like(mean) if beta is None else beta)]
    wide_y = y.reshape(wide.shape)
    normalise(wide, wide_y, *vectors)
    return (deliver(y, out), mean, variance), (mean, inverse) if residuals else ()


def _tile(vector, wide, channels):
    return np.tile(vector, wide.shape[1] // channels)


@numba.implements(prim.batch_norm_grad)
def batch_norm_grad(g, x, gamma, mean, inverse, *, epsilon, out=None):
    if not _suits(x) or None in (codes := [loop.now(x.size) for loop in (_PRODUCTS, _COMBINE)]):
        return NotImplemented
    if g.dtype.char != "f":
        return NotImplemented
    products, combine = codes
    g, x = np.ascontiguousarray(g), np.ascontiguousarray(x)
    channels = x.shape[-1]
    count = x.size // channels
    wide, wide_mean = widened(x, mean)
    wide_g = g.reshape(wide.shape)
    sums, centred = _block_sums(products, wide, channels, wide_g, wide, wide_mean)
    dgamma = centred * inverse
    scale = inverse if gamma is None else inverse * gamma
    slope = (-scale * inverse * dgamma / count).astype(np.float32)  # of (x − mean)
    offset = (-scale * sums / count).astype(np.float32)
    dx = target(x.shape, out)
    wide_dx = dx.reshape(wide.shape)
    vectors = [_tile(v, wide, channels) for v in (mean, scale, slope, offset)]
    combine(wide_g, wide, wide_dx, *vectors)
    return deliver(dx, out), dgamma.astype(np.float32), sums.astype(np.float32)
