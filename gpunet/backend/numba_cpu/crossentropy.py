"""Sparse cross-entropy.

Over a few classes it is equal in every bit to the numpy provider's, whose exp and log it takes. Over many, each row is
read once, and the sums and exp are not NumPy's, so sizes alone choose that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backend.bound import declining, giving
from gpunet.backend.cpu.reduction import is_narrow
from gpunet.backend.cpu.results import FLOAT32, is_flat
from gpunet.backend.memory import empty
from gpunet.backend.numba_cpu import loops, numba, row_loops
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.primitives import nn as prim

_SMALL = 1 << 14  # items: below it NumPy's calls are as quick, unless they are made ready
_M, _V = "float32[:, ::1]", "float32[::1]"


def _loops(function: Callable, *types: str) -> dict[str, Loop]:
    """A loop for each dtype of labels."""
    kinds = ("int32", "int64", "uint8")
    return {
        np.dtype(kind).char: Loop(function, f"void({', '.join(types).format(labels=kind)}, intp)", 1.0, 2000.0)
        for kind in kinds
    }


_SHIFT = _loops(loops.shift_rows, _M, "{labels}[::1]", _M, _V)
_WIDE = _loops(row_loops.crossentropy, _M, "{labels}[::1]", _M, _V, _V)
_GRAD = _loops(loops.crossentropy_grad, _V, "{labels}[::1]", _M, _M)
_NORMALISE = Loop(loops.normalise_rows, f"void({_M}, {_V}, intp)", 1.0, 2000.0)


def _suits(labels: np.ndarray, *arrays: Any) -> bool:
    return labels.dtype.char in _SHIFT and labels.flags.c_contiguous and all(map(is_flat, arrays))


def _work_space(logits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For probabilities, their denominators and the labels' logits."""
    return empty(logits.shape, FLOAT32), np.empty(len(logits), FLOAT32), np.empty(len(logits), FLOAT32)


@numba.implements(prim.sparse_softmax_crossentropy)
def sparse_softmax_crossentropy(logits, labels, *, out=None, residuals=False):
    if logits.size < _SMALL or logits.ndim != 2 or not _suits(labels, logits, *(() if out is None else (out,))):
        return NotImplemented
    if not is_narrow(logits):
        return _wide(logits, labels, out, residuals)
    shift, normalise = _SHIFT[labels.dtype.char].when_ready(logits.size), _NORMALISE.when_ready(logits.size)
    if shift is None or normalise is None:
        return NotImplemented
    probabilities, total, picked = _work_space(logits)
    shift(logits, labels, probabilities, picked)
    np.exp(probabilities, probabilities)
    normalise(probabilities, total)
    np.log(total, total)
    return np.subtract(total, picked, out=out), (probabilities,) if residuals else ()


def _wide(logits, labels, out, residuals):
    code, (probabilities, total, picked) = _WIDE[labels.dtype.char].now(logits.size), _work_space(logits)
    if code is None:
        return NotImplemented
    code(logits, labels, probabilities, total, picked)
    return np.subtract(np.log(total, total), picked, out=out), (probabilities,) if residuals else ()


def _bind_wide(logits, labels, out, residuals):
    if logits.size < _SMALL:
        return NotImplemented
    probabilities, total, picked = _work_space(logits)
    call = _WIDE[labels.dtype.char].fixed(logits.size, logits, labels, probabilities, total, picked)
    if call is None:
        return NotImplemented
    found = out, (probabilities,) if residuals else ()

    def run():
        call()
        np.subtract(np.log(total, total), picked, out)
        return found

    return giving(run, out, *found[1])


@numba.binds(prim.sparse_softmax_crossentropy)
def bind_crossentropy(logits, labels, *, out=None, residuals=False):
    if out is None or logits.ndim != 2 or not _suits(labels, logits, out):
        return NotImplemented
    if not is_narrow(logits):
        return _bind_wide(logits, labels, out, residuals)
    probabilities, total, picked = _work_space(logits)
    shift = _SHIFT[labels.dtype.char].bound(logits.size, logits, labels, probabilities, picked)
    normalise = _NORMALISE.bound(logits.size, probabilities, total)
    found = out, (probabilities,) if residuals else ()

    def run():
        if shift() is NotImplemented:
            return NotImplemented
        np.exp(probabilities, probabilities)
        if normalise() is NotImplemented:
            return NotImplemented
        np.log(total, total)
        np.subtract(total, picked, out)
        return found

    return declining(giving(run, out, *found[1]))


def _fits(g, labels, probabilities) -> bool:
    return probabilities.ndim == 2 and probabilities.size > 0 and _suits(labels, g, probabilities)


@numba.implements(prim.sparse_softmax_crossentropy_grad)
def sparse_softmax_crossentropy_grad(g, labels, probabilities, *, out=None):
    if probabilities.size < _SMALL or not _fits(g, labels, probabilities) or not (out is None or is_flat(out)):
        return NotImplemented
    code = _GRAD[labels.dtype.char].when_ready(probabilities.size)
    if code is None:
        return NotImplemented
    out = empty(probabilities.shape, FLOAT32) if out is None else out
    code(g, labels, probabilities, out)
    return out


@numba.binds(prim.sparse_softmax_crossentropy_grad)
def bind_crossentropy_grad(g, labels, probabilities, *, out=None):
    if out is None or not _fits(g, labels, probabilities) or not is_flat(out):
        return NotImplemented
    return _GRAD[labels.dtype.char].bound(probabilities.size, g, labels, probabilities, out, result=out)
