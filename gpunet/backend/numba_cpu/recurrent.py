"""LSTM and GRU: the elementwise part of a step in a few passes, equal in every bit to the portable one."""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu.recurrent import products_with
from gpunet.backend.cpu.results import deliver, target
from gpunet.backend.memory import empty
from gpunet.backend.numba_cpu import numba
from gpunet.backend.numba_cpu import recurrent_loops as loops
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.portable.recurrent import sigmoid_of_tanh
from gpunet.backend.primitives import recurrent as prim

_SMALL = 1 << 13  # items of a step's gates: below it the calls of loops cost more than NumPy's
_SAVING = 1.0  # ns an item

_M, _V = "float32[:, ::1]", "float32[::1]"


def _loop(function, *types: str) -> Loop:
    return Loop(function, f"void({', '.join(types)}, intp)", _SAVING)


_LSTM = [_loop(loops.lstm_begin, _M, _M, _V), _loop(loops.lstm_end, _M, _V, _V, _M, _M)]
_LSTM_BACK = [_loop(loops.lstm_back, *[_M] * 3, _V, *[_M] * 4)]
_GRU = [_loop(loops.gru_begin, *[_M] * 4), _loop(loops.gru_middle, *[_M] * 3), _loop(loops.gru_end, *[_M] * 3)]
_GRU_BACK = [_loop(loops.gru_back, *[_M] * 3, _V, *[_M] * 5)]


def _codes(chosen: list[Loop], gates, *others):
    """The compiled loops for contiguous float32 arrays, or None where they do not fit or are not ready."""
    items = gates.size // gates.shape[0] if gates.shape[0] else 0
    if items < _SMALL or any(a is not None and a.dtype.char != "f" for a in (gates, *others)):
        return None
    codes = [loop.when_ready(items) for loop in chosen]
    if None in codes:
        for loop in chosen:
            loop.when_ready(items * (len(gates) - 1))  # the other steps are work too
        return None
    return codes


def _storage(gates, steps: int, units: int):
    return empty((steps, gates.shape[1], units), gates.dtype)


def _keep(mask, t, new, old):
    if mask is not None:
        new[...] = np.where(mask[t][:, None] != 0, new, old)


@numba.implements(prim.lstm)
def lstm(x, kernel, h, c, mask, *, out=None, residuals=False):
    if (codes := _codes(_LSTM, x, kernel, h, c, mask)) is None:
        return NotImplemented
    begin, end = codes
    x, h, c = (np.ascontiguousarray(a) for a in (x, h, c))
    steps, units = len(x), h.shape[1]
    kept = steps if residuals else 1
    outputs = target((*x.shape[:2], units), out)
    gates, tanhs = _storage(x, kept, 4 * units), _storage(x, kept, units)
    cs = _storage(x, steps if residuals else 2, units)
    scale, shift = sigmoid_of_tanh(np, gates, 4, 2)
    product = products_with(kernel, len(h))
    for t in range(steps):
        z, new_c, tanh_c, new_h = gates[t % kept], cs[t % len(cs)], tanhs[t % kept], outputs[t]
        product(h, out=z)
        begin(z, x[t], scale)
        np.tanh(z, out=z)
        end(z, scale, shift, c, new_c)
        np.tanh(new_c, out=tanh_c)
        np.multiply(z[:, 3 * units :], tanh_c, out=new_h)
        _keep(mask, t, new_h, h)
        _keep(mask, t, new_c, c)
        h, c = new_h, new_c
    last = outputs[-1].copy(), cs[(steps - 1) % len(cs)].copy()
    return (deliver(outputs, out), *last), (gates, cs, tanhs) if residuals else ()


def _backward_operands(mask, gates, g, *states):
    """The mask as an array, all outputs' cotangent or an array of none for each step, and contiguous states."""
    steps, batch = gates.shape[:2]
    mask = np.ones((steps, batch), gates.dtype) if mask is None else np.ascontiguousarray(mask)
    g = np.empty((steps, 0, 0), gates.dtype) if g is None else np.ascontiguousarray(g)
    return mask, g, *(np.ascontiguousarray(s) for s in states)


def _begin(cotangent, like):
    return np.zeros(like.shape, like.dtype) if cotangent is None else np.array(cotangent, order="C")


@numba.implements(prim.lstm_grad)
def lstm_grad(kernel, h, c, mask, gates, cs, tanhs, g, g_h, g_c, *, out=None):
    if (codes := _codes(_LSTM_BACK, gates, kernel, g, g_h, g_c)) is None:
        return NotImplemented
    (back,) = codes
    dx, dh, dc = target(gates.shape, out), _begin(g_h, h), _begin(g_c, c)
    masks, g, c = _backward_operands(mask, gates, g, c)
    product, found = products_with(kernel.T.copy(), len(h)), np.empty(dh.shape, dh.dtype)
    for t in reversed(range(len(gates))):
        back(gates[t], tanhs[t], cs[t - 1] if t else c, masks[t], g[t], dh, dc, dx[t])
        if mask is None:
            product(dx[t], out=dh)
        else:
            dh = np.where(masks[t][:, None] != 0, product(dx[t], out=found), dh)
    return deliver(dx, out), dh, dc


@numba.implements(prim.gru)
def gru(x, kernel, bias, h, mask, *, out=None, residuals=False):
    if (codes := _codes(_GRU, x, kernel, bias, h, mask)) is None:
        return NotImplemented
    begin, middle, end = codes
    x, h = np.ascontiguousarray(x), np.ascontiguousarray(h)
    steps, units = len(x), h.shape[1]
    kept = steps if residuals else 1
    outputs = target((*x.shape[:2], units), out)
    gates, inner = _storage(x, kept, 3 * units), _storage(x, kept, units)
    product, shares = products_with(kernel, len(h)), np.empty(x.shape[1:], x.dtype)
    for t in range(steps):
        a, share, new_h = gates[t % kept], inner[t % kept], outputs[t]
        product(h, out=shares)
        if bias is not None:
            np.add(shares, bias, out=shares)
        begin(shares, x[t], a, share)
        both, candidate = a[:, : 2 * units], a[:, 2 * units :]
        np.tanh(both, out=both)
        middle(x[t], a, share)
        np.tanh(candidate, out=candidate)
        end(a, h, new_h)
        _keep(mask, t, new_h, h)
        h = new_h
    return (deliver(outputs, out), outputs[-1].copy()), (gates, inner) if residuals else ()


@numba.implements(prim.gru_grad)
def gru_grad(kernel, h, mask, outputs, gates, inner, g, g_h, *, out=None):
    if (codes := _codes(_GRU_BACK, gates, kernel, g, g_h)) is None:
        return NotImplemented
    (back,) = codes
    dx, d_product, dh = target(gates.shape, out), empty(gates.shape, gates.dtype), _begin(g_h, h)
    masks, g, h, outputs = _backward_operands(mask, gates, g, h, outputs)
    product, direct = products_with(kernel.T.copy(), len(h)), np.empty(dh.shape, dh.dtype)
    for t in reversed(range(len(gates))):
        back(gates[t], inner[t], outputs[t - 1] if t else h, masks[t], g[t], dh, direct, dx[t], d_product[t])
        product(d_product[t], out=dh)
        np.add(dh, direct, out=dh)
    return deliver(dx, out), d_product, dh
