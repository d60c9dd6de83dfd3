"""LSTM and GRU along a sequence: a launch for all steps, a block for each sample."""

from __future__ import annotations

from typing import Any

from gpunet.backend.cuda.arrays import contiguous, deliver, empty, implements, is_real, target
from gpunet.backend.cuda.launcher import Family
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.primitives import recurrent as prim

RECURRENT = Family("recurrent.cu", TYPE=("float", "double"))
_LARGEST = 1024  # units, as in recurrent.cu: the portable loop takes more, by products of all samples


def _is_covered(kernel, *others, **_):
    return is_real(kernel, *others) and kernel.shape[0] <= _LARGEST


def _forward_is_covered(x, kernel, *others, **_):
    return _is_covered(kernel, x, *others)


def _launch(name: str, sizes: tuple[int, int, int], *arrays: Any) -> None:
    kernel = RECURRENT(TYPE=C_TYPES[arrays[0].dtype])[name]
    fields = dict(zip(("steps", "batch", "units"), sizes))
    kernel(sizes[1], *(a if a is None else contiguous(a) for a in arrays), fields)


@implements(prim.lstm, where=_forward_is_covered)
def lstm(x, kernel, h, c, mask, *, out=None, residuals=False):
    sizes = (*x.shape[:2], h.shape[1])
    outputs, last_h, last_c = target(out, x, sizes), empty(x, h.shape), empty(x, c.shape)
    kept = (empty(x, x.shape), empty(x, sizes), empty(x, sizes)) if residuals else (None, None, None)
    _launch("lstm", sizes, x, kernel, h, c, mask, outputs, last_h, last_c, *kept)
    return (deliver(outputs, out), last_h, last_c), kept if residuals else ()


@implements(prim.lstm_grad, where=_is_covered)
def lstm_grad(kernel, h, c, mask, gates, cs, tanhs, g, g_h, g_c, *, out=None):
    dx, dh, dc = target(out, gates, gates.shape), empty(gates, h.shape), empty(gates, c.shape)
    _launch("lstm_grad", cs.shape, kernel.T, c, mask, gates, cs, tanhs, g, g_h, g_c, dx, dh, dc)
    return deliver(dx, out), dh, dc


@implements(prim.gru, where=_forward_is_covered)
def gru(x, kernel, bias, h, mask, *, out=None, residuals=False):
    sizes = (*x.shape[:2], h.shape[1])
    outputs, last = target(out, x, sizes), empty(x, h.shape)
    kept = (empty(x, x.shape), empty(x, sizes)) if residuals else (None, None)
    _launch("gru", sizes, x, kernel, bias, h, mask, outputs, last, *kept)
    return (deliver(outputs, out), last), kept if residuals else ()


@implements(prim.gru_grad, where=_is_covered)
def gru_grad(kernel, h, mask, outputs, gates, inner, g, g_h, *, out=None):
    dx, d_product, dh = target(out, gates, gates.shape), empty(gates, gates.shape), empty(gates, h.shape)
    arrays = (kernel.T, h, mask, outputs, gates, inner, g, g_h, dx, d_product, dh)
    _launch("gru_grad", inner.shape, *arrays)
    return deliver(dx, out), d_product, dh
