"""Pooling on NumPy: each window offset's elements are gathered as opaque runs, then compared contiguously."""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.scratch import as_runs, chunks, scratch
from gpunet.backend.cpu.threads import split
from gpunet.backend.memory import empty
from gpunet.backend.portable import pooling as portable
from gpunet.backend.portable.conv import pad_spatial, unpad_spatial, window_slices
from gpunet.backend.portable.pooling import argmax_dtype, highest, lowest
from gpunet.backend.primitives import pooling as prim
from gpunet.backend.primitives.conv import conv_output_shape


def _gather(x, slices, slot):
    """x[slices] as a contiguous array in scratch; x is contiguous channels-last."""
    channels = x.shape[-1]
    runs = as_runs(x, channels)[slices]
    out = scratch(slot, (*runs.shape[:-1], channels), x.dtype)
    np.copyto(as_runs(out, channels), runs)
    return out


def _over_images(function, y, item_bytes):
    """Call `function(images)` with slices of the batch that fit a chunk, split between threads if they are large."""

    def part(first, last):
        for a, b in chunks(last - first, y[0].size * item_bytes):
            function(slice(first + a, first + b))

    split(part, y.shape[0], y.nbytes // 2)


@cpu.implements(prim.max_pool)
def max_pool(x, *, window, strides, padding, out=None, residuals=False):
    pick = portable.max_pool, np.maximum, np.greater, lowest(x.dtype)
    return _best(x, *pick, window, strides, padding, out, residuals)


@cpu.implements(prim.min_pool)
def min_pool(x, *, window, strides, padding, out=None, residuals=False):
    pick = portable.min_pool, np.minimum, np.less, highest(x.dtype)
    return _best(x, *pick, window, strides, padding, out, residuals)


def _best(x, plain, better, beats, filler, window, strides, padding, out, residuals):
    spatial = conv_output_shape(x.shape[1:-1], window, strides, padding, (1,) * len(window))
    y = empty((x.shape[0], *spatial, x.shape[-1]), x.dtype) if out is None else out
    if not y.size or len(window) > 200 or y.dtype.char not in "fd":
        return plain(np, x, window=window, strides=strides, padding=padding, out=out, residuals=residuals)
    padded = np.ascontiguousarray(pad_spatial(np, x, padding, filler))
    winner = empty(y.shape, argmax_dtype(window)) if residuals else None

    def part(n):
        _best_of_chunk(padded[n], y[n], None if winner is None else winner[n], better, beats, window, strides)

    _over_images(part, y, y.itemsize)
    return y, () if winner is None else (winner,)


def _best_of_chunk(x, best, winner, better, beats, window, strides):
    """The best over the window's offsets; a later offset wins only where it beats the earlier ones."""
    for k, (_, slices) in enumerate(window_slices(window, best.shape[1:-1], strides, (1,) * len(window))):
        if k == 0:
            np.copyto(as_runs(best, x.shape[-1]), as_runs(x, x.shape[-1])[slices])
            if winner is not None:
                winner[...] = 0
            continue
        candidate = _gather(x, slices, "candidate")
        if winner is not None:
            won = beats(candidate, best, out=scratch("won", best.shape, np.dtype(bool)))
            won = won.view(np.uint8).astype(winner.dtype, copy=False)  # a product of bools would be converted in blocks
            rank = np.multiply(won, winner.dtype.type(k), out=scratch("rank", best.shape, winner.dtype))
            np.maximum(winner, rank, out=winner)
        better(best, candidate, out=best)


@cpu.implements(prim.max_pool_grad)
def max_pool_grad(g, winner, *, spatial, window, strides, padding, out=None):
    disjoint = window == strides and not any(map(any, padding))
    covered = disjoint and all(n == m * s for n, m, s in zip(spatial, g.shape[1:-1], strides))
    if not disjoint or not g.size or g.dtype.char not in "fd":
        return _overlapping(g, winner, spatial, window, strides, padding, out)
    dx = empty((g.shape[0], *spatial, g.shape[-1]), g.dtype) if out is None else out
    if not covered:
        dx.fill(0)
    g = np.ascontiguousarray(g)
    _over_images(lambda n: _scatter_chunk(g[n], winner[n], dx[n], window, strides), g, g.itemsize)
    return dx


def _share(g, winner, k):
    """g where the window's element k won, else 0, in scratch."""
    won = np.equal(winner, winner.dtype.type(k), out=scratch("won", g.shape, np.dtype(bool)))
    return np.multiply(g, won, out=scratch("candidate", g.shape, g.dtype))


def _scatter_chunk(g, winner, dx, window, strides):
    """Each window's gradient to its winner, where windows do not overlap: every offset is written once."""
    for k, (_, slices) in enumerate(window_slices(window, g.shape[1:-1], strides, (1,) * len(window))):
        as_runs(dx, dx.shape[-1])[slices] = as_runs(_share(g, winner, k), g.shape[-1])


def _overlapping(g, winner, spatial, window, strides, padding, out):
    """Each window's gradient added at its winner."""
    shape = (g.shape[0], *(n + lo + hi for n, (lo, hi) in zip(spatial, padding)), g.shape[-1])
    dx = np.zeros(shape, g.dtype)

    def add(images):
        for k, (_, slices) in enumerate(window_slices(window, g.shape[1:-1], strides, (1,) * len(window))):
            target = dx[images][slices]
            np.add(target, _share(g[images], winner[images], k), out=target)

    if g.size:
        _over_images(add, g, g.itemsize)
    dx = unpad_spatial(np, dx, spatial, padding)
    if out is None:
        return dx
    out[...] = dx
    return out
