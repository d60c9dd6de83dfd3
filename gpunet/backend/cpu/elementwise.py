"""Elementwise primitives for which NumPy's plain expression makes large temporaries."""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.scratch import scratch
from gpunet.backend.primitives import elementwise as prim

_BOOL = np.dtype(bool)
_ONE = {kind: np.ones((), kind) for kind in "fd"}  # NumPy takes twice as long to convert a Python number
_SMALL = 1 << 15
_multiply, _subtract, _ndarray = np.multiply, np.subtract, np.ndarray  # small arrays are worth a look-up less


@cpu.implements(prim.relu_grad)
def relu_grad(g, y, *, out=None):
    if g.size < _SMALL or g.shape != y.shape:
        return np.multiply(g, np.greater(y, 0), out=out)
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
    slope = _multiply(y, y) if out is None else _multiply(y, y, out)
    place = slope if type(slope) is _ndarray else None  # ufuncs make scalars of 0-d arrays
    return _multiply(g, _subtract(_ONE.get(slope.dtype.char, 1), slope, place), place)


@cpu.implements(prim.sigmoid_grad)
def sigmoid_grad(g, y, *, out=None):
    slope = _subtract(_ONE.get(y.dtype.char, 1), y, out)
    place = slope if type(slope) is _ndarray else None
    return _multiply(g, _multiply(slope, y, place), place)
