"""Elementwise primitives for which NumPy's plain expression makes large temporaries."""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.constants import ONE, ZERO
from gpunet.backend.cpu.scratch import scratch
from gpunet.backend.memory import empty
from gpunet.backend.portable import elementwise as portable
from gpunet.backend.primitives import elementwise as prim

_BOOL = np.dtype(bool)
_SMALL = 1 << 15
_ROW = 8192  # zeros: 32 KiB, which stay in a core's first cache
_multiply, _subtract = np.multiply, np.subtract  # small arrays are worth a look-up less


_zeros = {kind: np.zeros(_ROW, kind) for kind in "fd"}


def rectifying(x, out):
    """A function that computes out = max(x, 0) of contiguous float32 or float64 arrays; `out` may be x.

    Against rows of zeros, since NumPy's loop over an array and a number takes four times as long.
    """
    flat, target, zeros = x.reshape(-1), out.reshape(-1), _zeros[x.dtype.char]
    whole = flat.size // _ROW * _ROW
    rows, rest = (flat[:whole].reshape(-1, _ROW), zeros), (flat[whole:], zeros[: flat.size - whole])
    rows_out, rest_out = target[:whole].reshape(-1, _ROW), target[whole:]

    def run():
        if whole:
            np.maximum(*rows, out=rows_out)
        if whole < flat.size:
            np.maximum(*rest, out=rest_out)

    return run


def rectify(x, out):
    """out = max(x, 0), as `rectifying` does it."""
    rectifying(x, out)()


@cpu.implements(prim.UNARY["relu"])
def relu(x, *, out=None):
    suits = x.size >= _ROW and x.dtype.char in "fd" and x.flags.c_contiguous
    if not suits or not (out is None or (out.flags.c_contiguous and out.dtype == x.dtype)):
        return np.maximum(x, ZERO.get(x.dtype.char, 0), out=out)
    out = empty(x.shape, x.dtype) if out is None else out
    rectify(x, out)
    return out


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
    if _differ(g, y):
        return portable.tanh_grad(np, g, y, out=out)
    slope = _multiply(y, y) if out is None else _multiply(y, y, out)
    return _multiply(g, _subtract(ONE.get(y.dtype.char, 1), slope, slope), slope)


@cpu.implements(prim.sigmoid_grad)
def sigmoid_grad(g, y, *, out=None):
    if _differ(g, y):
        return portable.sigmoid_grad(np, g, y, out=out)
    one = ONE.get(y.dtype.char, 1)
    slope = _subtract(one, y) if out is None else _subtract(one, y, out)
    return _multiply(g, _multiply(slope, y, slope), slope)


def _differ(g, y):
    """Whether a slope that is computed in place would not do as the result."""
    return g.shape != y.shape or g.dtype is not y.dtype or y.ndim == 0
