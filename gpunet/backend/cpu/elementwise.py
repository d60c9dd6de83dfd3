"""Elementwise primitives for which NumPy's plain expression makes large temporaries."""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.constants import ONE, ZERO
from gpunet.backend.cpu.scratch import scratch
from gpunet.backend.primitives import elementwise as prim

_BOOL = np.dtype(bool)
_SMALL = 1 << 15
_multiply, _subtract, _empty_like = np.multiply, np.subtract, np.empty_like  # small arrays are worth a look-up less


@cpu.implements(prim.relu_grad)
def relu_grad(g, y, *, out=None):
    if g.size < _SMALL or g.shape != y.shape:
        return np.multiply(g, np.greater(y, ZERO.get(y.dtype.char, 0)).astype(g.dtype), out=out)
    # The mask as floats first: a product of floats and bools converts in small blocks, which takes twice as long.
    won = np.greater(y, 0, out=scratch("won", y.shape, _BOOL))
    out = np.empty_like(g) if out is None else out
    np.copyto(out, won)
    return np.multiply(out, g, out=out)


@cpu.binds(prim.relu_grad)
def bind_relu_grad(g, y, *, out=None):
    if out is None or g.size >= _SMALL or g.shape != y.shape:
        return None
    won, zero = np.empty(y.shape, _BOOL), np.zeros((), y.dtype)

    def run():
        np.greater(y, zero, won)
        return np.multiply(g, won, out)

    return run


@cpu.implements(prim.tanh_grad)
def tanh_grad(g, y, *, out=None):
    place = _work(g, y, out)
    slope = _multiply(y, y, place)
    return _multiply(g, _subtract(ONE.get(y.dtype.char, 1), slope, place), place if out is None else out)


@cpu.implements(prim.sigmoid_grad)
def sigmoid_grad(g, y, *, out=None):
    place = _work(g, y, out)
    slope = _subtract(ONE.get(y.dtype.char, 1), y, place)
    return _multiply(g, _multiply(slope, y, place), place if out is None else out)


def _work(g, y, out):
    """An array in which a slope can be computed that g is then multiplied by: the result's own, or None."""
    if y.ndim == 0 or g.shape != y.shape or g.dtype is not y.dtype:
        return None
    return _empty_like(y) if out is None else out
