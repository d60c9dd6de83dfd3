"""Elementwise primitives for which NumPy's plain expression makes large temporaries."""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.constants import ONE, ZERO
from gpunet.backend.cpu.results import FLOAT32, deliver, target
from gpunet.backend.cpu.scratch import scratch
from gpunet.backend.cpu.threads import split
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


# erf(x) = x·P(x²)/Q(x²) with the smallest relative error, 5e-8, of all for |x| < 3.93; beyond, erf is 1 in float32.
# Highest powers first; numba_cpu/loops.py has the same numbers, and does the same operations.
_ERF_LIMIT = 3.93
_ERF_NUMERATOR = (
    1.9809481537016877e-08,
    -1.9543059117606627e-06,
    1.4234277907642417e-04,
    3.7315059108696084e-03,
    5.067317442513624e-02,
    2.0069051799283327e-01,
    1.128379108842975,
)
_ERF_DENOMINATOR = (
    9.625465143796175e-04,
    1.4416513657526539e-02,
    1.1531329335668002e-01,
    5.111889768039237e-01,
    1.0,
)
_ERF_CHUNK = 1 << 16  # numbers: with work space they stay in a core's cache; in smaller ones threads meet at the GIL


@cpu.implements(prim.UNARY["erf"])
def erf(x, *, out=None):
    if x.dtype.char != "f":
        return portable.erf(np, x, out=out)
    y = target(x.shape, out)
    of, to = np.ascontiguousarray(x).reshape(-1), y.reshape(-1)
    split(lambda start, stop: _erf(of[start:stop], to[start:stop]), of.size, 16 * of.nbytes)
    return deliver(y, out)


def _erf(x, y):
    for start in range(0, x.size, _ERF_CHUNK):
        _erf_chunk(x[start : start + _ERF_CHUNK], y[start : start + _ERF_CHUNK])


def _erf_chunk(x, y):
    square, bottom = scratch("erf", (2, x.size), FLOAT32)
    np.maximum(np.minimum(x, _ERF_LIMIT, out=y), -_ERF_LIMIT, out=y)
    np.multiply(y, y, out=square)
    _polynomial(square, _ERF_DENOMINATOR, bottom)
    np.divide(y, bottom, out=y)
    np.multiply(y, _polynomial(square, _ERF_NUMERATOR, bottom), out=y)
    np.maximum(np.minimum(y, 1, out=y), -1, out=y)


def _polynomial(x, coefficients, out):
    np.multiply(x, coefficients[0], out=out)
    for coefficient in coefficients[1:-1]:
        np.add(out, coefficient, out=out)
        np.multiply(out, x, out=out)
    return np.add(out, coefficients[-1], out=out)


def _differ(g, y):
    """Whether a slope that is computed in place would not do as the result."""
    return g.shape != y.shape or g.dtype is not y.dtype or y.ndim == 0
