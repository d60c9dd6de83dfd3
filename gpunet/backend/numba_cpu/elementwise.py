"""Elementwise primitives in one pass, equal in every bit to the numpy provider's.

A ufunc is one pass already, so its loop is for several threads alone, and no small call waits for the choice: it has no
implementation here, but takes large calls (`backend/large.py`), and those that replays make again and again.
"""

from __future__ import annotations

import functools

import numpy as np

from gpunet import config
from gpunet.backend.cpu.results import deliver, is_flat, target
from gpunet.backend.large import sharers
from gpunet.backend.numba_cpu import loops, numba, team
from gpunet.backend.numba_cpu.compiled import Loop, is_installed
from gpunet.backend.primitives import elementwise as prim

_SMALL = 1 << 13  # items: below it two calls into NumPy are as quick
_TINY = 1 << 9  # the same for a bound call

_THREE = "void(float32[::1], float32[::1], float32[::1], intp)"
RELU_GRAD = Loop(loops.relu_grad, _THREE, saving=0.15)
_ERF = Loop(loops.erf, "void(float32[::1], float32[::1], intp)", saving=5.0)
_RELU = Loop(loops.relu, "void(float32[::1], float32[::1], intp)", saving=0.1)


def _bound(loop: Loop, operands, out):
    """What `_apply` does on these very arrays, where also small ones are quicker."""
    if out is None or out.size < _TINY or any(a.shape != out.shape or not is_flat(a) for a in (*operands, out)):
        return NotImplemented
    return loop.bound(out.size, *[a.reshape(-1) for a in (*operands, out)], result=out)


def _apply(loop: Loop, operands, out):
    """The loop over the operands' items in memory, or NotImplemented for other arrays and before it is ready."""
    first = operands[0]
    for a in operands:
        if type(a) is not np.ndarray or a.dtype.char != "f" or a.shape != first.shape:
            return NotImplemented
    code = loop.when_ready(first.size)
    if code is None:
        return NotImplemented
    result = target(first.shape, out)
    code(*[np.ascontiguousarray(a).reshape(-1) for a in operands], result.reshape(-1))
    return deliver(result, out)


@numba.implements(prim.relu_grad)
def relu_grad(g, y, *, out=None):
    return NotImplemented if g.size < _SMALL else _apply(RELU_GRAD, (g, y), out)


@numba.implements(prim.UNARY["relu"])
def relu(x, *, out=None):
    return NotImplemented if x.size < _SMALL else _apply(_RELU, (x,), out)


@numba.implements(prim.UNARY["erf"])
def erf(x, *, out=None):
    return NotImplemented if x.size < _TINY else _apply(_ERF, (x,), out)


@numba.binds(prim.UNARY["erf"])
def bind_erf(x, *, out=None):
    return _bound(_ERF, (x,), out)


@numba.binds(prim.relu_grad)
def bind_relu_grad(g, y, *, out=None):
    return _bound(RELU_GRAD, (g, y), out)


@numba.binds(prim.UNARY["relu"])
def bind_relu(x, *, out=None):
    return _bound(_RELU, (x,), out)


_BINARY = {f.__name__: Loop(f, _THREE, saving=0.05) for f in (loops.add, loops.subtract, loops.multiply)}


def _shares(a, b, out) -> bool:
    """Whether several threads are to compute it, of contiguous arrays of one shape."""
    return all(is_flat(x) and x.shape == out.shape for x in (a, b, out)) and team.parts(out.size) > 1


def _share(ufunc, a, b, out):
    loop = _BINARY.get(ufunc.__name__)
    if loop is None or not is_installed() or "numba" not in config.cpu_providers() or not _shares(a, b, out):
        return NotImplemented
    code = loop.when_ready(out.size)
    if code is None:
        return NotImplemented
    code(a.reshape(-1), b.reshape(-1), out.reshape(-1))
    return True


sharers.append(_share)


def _bind_binary(loop: Loop, x, y, *, out=None):
    if out is None or not _shares(x, y, out):
        return NotImplemented
    return loop.bound(out.size, *[a.reshape(-1) for a in (x, y, out)], result=out)


for _name, _loop in _BINARY.items():
    numba.binds(prim.BINARY[_name])(functools.partial(_bind_binary, _loop))
