"""Softmax along contiguous rows, each read once. Its sums and its exp are not NumPy's, so sizes alone choose it."""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu.results import deliver, is_flat, target
from gpunet.backend.numba_cpu import numba, row_loops
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.primitives import nn as prim

_SMALL = 1 << 14  # numbers: below it compiling takes longer than it saves in most programs
_M = "float32[:, ::1]"
_SOFTMAX = Loop(row_loops.softmax, f"void({_M}, {_M}, intp)")
_SOFTMAX_GRAD = Loop(row_loops.softmax_grad, f"void({_M}, {_M}, {_M}, intp)")


def _suits(axis: int, *arrays) -> bool:
    first = arrays[0]
    return (
        first.size >= _SMALL
        and axis in (-1, first.ndim - 1)
        and all(a.dtype.char == "f" and a.shape == first.shape for a in arrays)
    )


def _apply(loop: Loop, axis: int, operands, out):
    if not _suits(axis, *operands):
        return NotImplemented
    code, result = loop.now(operands[0].size), target(operands[0].shape, out)
    if code is None:
        return NotImplemented
    code(*(_rows(np.ascontiguousarray(a)) for a in operands), _rows(result))
    return deliver(result, out)


def _bound(loop: Loop, axis: int, operands, out):
    if not _suits(axis, *operands):
        return NotImplemented
    if out is None or not all(is_flat(a) for a in (*operands, out)):
        return None
    call = loop.fixed(out.size, *map(_rows, (*operands, out)))
    if call is None:
        return NotImplemented

    def run():
        call()
        return out

    return run


def _rows(x):
    return x.reshape(-1, x.shape[-1])


@numba.implements(prim.softmax)
def softmax(x, *, axis=-1, out=None):
    return _apply(_SOFTMAX, axis, (x,), out)


@numba.binds(prim.softmax)
def bind_softmax(x, *, axis=-1, out=None):
    return _bound(_SOFTMAX, axis, (x,), out)


@numba.implements(prim.softmax_grad)
def softmax_grad(g, y, *, axis=-1, out=None):
    return _apply(_SOFTMAX_GRAD, axis, (g, y), out)


@numba.binds(prim.softmax_grad)
def bind_softmax_grad(g, y, *, axis=-1, out=None):
    return _bound(_SOFTMAX_GRAD, axis, (g, y), out)
