"""Pooling by comparing or adding the strided slices of the window's offsets."""

from __future__ import annotations

import math

import numpy as np

from gpunet.backend.portable import portable
from gpunet.backend.portable.conv import pad_spatial, unpad_spatial, window_slices
from gpunet.backend.portable.elementwise import _into
from gpunet.backend.primitives import pooling as prim
from gpunet.backend.primitives.conv import conv_output_shape


def lowest(dtype):
    """The padding value that no element loses against in a maximum."""
    return np.iinfo(dtype).min if dtype.kind in "iu" else -math.inf


def highest(dtype):
    """The same in a minimum."""
    return np.iinfo(dtype).max if dtype.kind in "iu" else math.inf


def _out_spatial(x, window, strides, padding):
    return conv_output_shape(x.shape[1:-1], window, strides, padding, (1,) * len(window))


def argmax_dtype(window):
    """The smallest unsigned integer that numbers the window's elements."""
    return np.min_scalar_type(max(1, math.prod(window)) - 1)


@portable.implements(prim.max_pool)
def max_pool(xp, x, *, window, strides, padding, out=None, residuals=False):
    pick = xp.maximum, xp.greater, lowest(x.dtype)
    return _best(xp, x, *pick, window, strides, padding, out, residuals)


@portable.implements(prim.min_pool)
def min_pool(xp, x, *, window, strides, padding, out=None, residuals=False):
    pick = xp.minimum, xp.less, highest(x.dtype)
    return _best(xp, x, *pick, window, strides, padding, out, residuals)


def _best(xp, x, better, beats, filler, window, strides, padding, out, residuals):
    """`better` of each window's elements, and the first one that no other `beats`."""
    spatial = _out_spatial(x, window, strides, padding)
    padded = pad_spatial(xp, x, padding, filler)
    winner = xp.zeros((x.shape[0], *spatial, x.shape[-1]), argmax_dtype(window)) if residuals else None
    best = None
    for k, (_, slices) in enumerate(window_slices(window, spatial, strides, (1,) * len(window))):
        candidate = padded[slices]
        if best is None:
            best = _into(xp, candidate, out) if out is not None else candidate.copy()
            continue
        if residuals:
            xp.copyto(winner, k, where=beats(candidate, best))
        better(best, candidate, out=best)
    return best, (winner,) if residuals else ()


@portable.implements(prim.max_pool_grad)
def max_pool_grad(xp, g, winner, *, spatial, window, strides, padding, out=None):
    padded_shape = [n + lo + hi for n, (lo, hi) in zip(spatial, padding)]
    dx = xp.zeros((g.shape[0], *padded_shape, g.shape[-1]), g.dtype)
    for k, (_, slices) in enumerate(window_slices(window, g.shape[1:-1], strides, (1,) * len(window))):
        dx[slices] += g * (winner == k)
    return _into(xp, unpad_spatial(xp, dx, spatial, padding), out)


def window_counts(spatial, out_spatial, window, strides, padding):
    """How many elements of x each window holds, as (*out_spatial, 1) on the host."""
    counts = np.ones((1,) * len(window) + (1,))
    for axis, (n, m, k, s, (lo, _)) in enumerate(zip(spatial, out_spatial, window, strides, padding)):
        start = np.arange(m) * s - lo
        along = np.minimum(start + k, n) - np.maximum(start, 0)
        counts = counts * along.reshape([-1 if a == axis else 1 for a in range(len(window) + 1)])
    return counts


def _inverse_counts(xp, dtype, spatial, out_spatial, window, strides, padding, count_padding):
    if count_padding or not any(map(any, padding)):
        return 1.0 / math.prod(window)
    counts = np.maximum(window_counts(spatial, out_spatial, window, strides, padding), 1)
    return xp.asarray((1.0 / counts).astype(dtype))


@portable.implements(prim.avg_pool)
def avg_pool(xp, x, *, window, strides, padding, count_padding=False, out=None):
    spatial = _out_spatial(x, window, strides, padding)
    padded = pad_spatial(xp, x, padding)
    total = xp.zeros((x.shape[0], *spatial, x.shape[-1]), x.dtype) if out is None else out
    total.fill(0)
    for _, slices in window_slices(window, spatial, strides, (1,) * len(window)):
        total += padded[slices]
    total *= _inverse_counts(xp, x.dtype, x.shape[1:-1], spatial, window, strides, padding, count_padding)
    return total


@portable.implements(prim.avg_pool_grad)
def avg_pool_grad(xp, g, *, spatial, window, strides, padding, count_padding=False, out=None):
    share = g * _inverse_counts(xp, g.dtype, spatial, g.shape[1:-1], window, strides, padding, count_padding)
    padded_shape = [n + lo + hi for n, (lo, hi) in zip(spatial, padding)]
    dx = xp.zeros((g.shape[0], *padded_shape, g.shape[-1]), g.dtype)
    for _, slices in window_slices(window, g.shape[1:-1], strides, (1,) * len(window)):
        dx[slices] += share
    return _into(xp, unpad_spatial(xp, dx, spatial, padding), out)
