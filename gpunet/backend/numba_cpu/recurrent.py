"""LSTM and GRU, all steps in one call of machine code, with the recurrent kernel packed for the processor's vectors.

Their sums and their tanh are not the numpy provider's in every bit, so it is the size of the arrays alone that chooses,
and they are compiled where they stand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpunet.backend.bound import Packing, giving, packing
from gpunet.backend.cpu.results import FLOAT32, deliver, target
from gpunet.backend.memory import empty, lasting
from gpunet.backend.numba_cpu import blocks, numba
from gpunet.backend.numba_cpu import recurrent_loops as loops
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.numba_cpu.operands import are_flat, are_float32, flat
from gpunet.backend.onednn.memory import workspace
from gpunet.backend.primitives import recurrent as prim

_SMALL = 1 << 14  # gates of all steps and samples: below it compiling takes longer than it saves in most programs
_V, _M, _A = "float32[::1]", "float32[:, ::1]", "float32[:, :, ::1]"


def _loop(function, *types: str) -> Loop:
    return Loop(function, f"void({', '.join(types)}, intp)")


_PACK = _loop(loops.pack, _M, _A)
_PACK_TRANSPOSED = _loop(loops.pack_transposed, _M, _A)
_LSTM = _loop(loops.lstm, _A, _M, _A, _M, _M, _M, *[_A] * 4)
_LSTM_GRAD = _loop(loops.lstm_grad, _A, _M, _M, _M, *[_A] * 4, _M, _M, _A)
_GRU = _loop(loops.gru, _A, _M, _A, _V, _M, _M, *[_A] * 3)
_GRU_GRAD = _loop(loops.gru_grad, _A, _M, _M, _M, *[_A] * 4, _M, _M, _A, _A)


class _Sequence(NamedTuple):
    """A loop along a sequence, made ready on contiguous arrays.

    Args:
        loop: takes panels of the kernel, work space for its products, and `arguments`.
        kernel: (units, columns); `is_backward` for products with its transpose.
        gates: (steps, batch, …).
        prepare, finish: what to do before and after it.
        results: what it fills, residuals included.
    """

    loop: Loop
    kernel: np.ndarray
    is_backward: bool
    gates: np.ndarray
    arguments: Sequence[np.ndarray]
    prepare: Callable[[], Any]
    finish: Callable[[], Any]
    results: Sequence[np.ndarray]

    def ready(self, storage: Callable) -> tuple[Callable, Callable] | None:
        """(a function that packs the kernel, one that runs the loop), or None where Numba fails."""
        columns, inner = self.kernel.shape if self.is_backward else self.kernel.shape[::-1]
        width = blocks.VECTORS * blocks.lanes()
        panels = storage((-(-columns // width), inner, width))
        (steps, batch), size = self.gates.shape[:2], self.kernel.size
        found = _passing("recurrent products", (batch, panels.shape[0] * width))
        pack = (_PACK_TRANSPOSED if self.is_backward else _PACK).fixed(size, self.kernel, panels)
        work = 0 if batch == 1 else steps * batch * size >> 4
        loop = self.loop.fixed(work, panels, found, *self.arguments)
        if pack is None or loop is None:
            return None
        prepare, finish = self.prepare, self.finish

        def run():
            prepare()
            loop()
            finish()

        return pack, run

    def once(self) -> bool:
        """Run it, and say whether that was possible."""
        ready = self.ready(_passing_panels)
        if ready is None:
            return False
        for step in ready:
            step()
        return True

    def bound(self, operand: int) -> Any:
        """For a recorded step, in which the kernel is this operand."""
        ready = self.ready(_passing_panels)
        if ready is None:
            return NotImplemented
        pack, run = ready

        def whole():
            pack()
            run()

        return packing(giving(whole, *self.results), Packing(operand, lambda: self.ready(_lasting)))


def _passing(slot: str, shape):
    return workspace(slot, 4 * math.prod(shape)).view(FLOAT32).reshape(shape)


def _passing_panels(shape):
    return _passing("recurrent kernel", shape)


def _lasting(shape):
    return lasting(np, shape, FLOAT32)


def _suits(gates, *others) -> bool:
    return gates.size >= _SMALL and are_float32(gates, *others)


def _or_none(array, axes: int):
    """The array, or one of size 0 for none."""
    return np.empty((0,) * axes, FLOAT32) if array is None else array


def _new(*shape: int):
    return empty(shape, FLOAT32)


def _nothing():
    pass


def _begin(cotangent, total) -> Callable[[], None]:
    def begin():
        total[...] = 0 if cotangent is None else cotangent

    return begin


def _lstm(x, kernel, h, c, mask, outputs, residuals) -> _Sequence:
    steps, (batch, units) = len(x), h.shape
    kept = steps if residuals else 1
    gates, tanhs = _new(kept, batch, 4 * units), _new(kept, batch, units)
    cs = _new(steps if residuals else 2, batch, units)
    last_h, last_c = _new(batch, units), _new(batch, units)

    def finish():
        last_h[...] = outputs[-1]
        last_c[...] = cs[(steps - 1) % len(cs)]

    arguments = (x, h, c, _or_none(mask, 2), outputs, gates, cs, tanhs)
    results = (outputs, last_h, last_c, *((gates, cs, tanhs) if residuals else ()))
    return _Sequence(_LSTM, kernel, False, x, arguments, _nothing, finish, results)


@numba.implements(prim.lstm)
def lstm(x, kernel, h, c, mask, *, out=None, residuals=False):
    if not _suits(x, kernel, h, c, mask):
        return NotImplemented
    sequence = _lstm(*flat(x, kernel, h, c, mask), target((*x.shape[:2], h.shape[1]), out), residuals)
    if not sequence.once():
        return NotImplemented
    outputs, last_h, last_c, *kept = sequence.results
    return (deliver(outputs, out), last_h, last_c), tuple(kept)


@numba.binds(prim.lstm)
def bind_lstm(x, kernel, h, c, mask, *, out=None, residuals=False):
    if not _suits(x, kernel, h, c, mask):
        return NotImplemented
    if out is None or not are_flat(x, kernel, h, c, mask, out):
        return None
    return _lstm(x, kernel, h, c, mask, out, residuals).bound(1)


def _lstm_grad(kernel, c, mask, gates, cs, tanhs, g, g_h, g_c, dx) -> _Sequence:
    dh, dc = _new(*c.shape), _new(*c.shape)
    begins = _begin(g_h, dh), _begin(g_c, dc)

    def prepare():
        for begin in begins:
            begin()

    arguments = (c, _or_none(mask, 2), gates, cs, tanhs, _or_none(g, 3), dh, dc, dx)
    return _Sequence(_LSTM_GRAD, kernel, True, gates, arguments, prepare, _nothing, (dx, dh, dc))


@numba.implements(prim.lstm_grad)
def lstm_grad(kernel, h, c, mask, gates, cs, tanhs, g, g_h, g_c, *, out=None):
    if not _suits(gates, kernel, c, mask, g, g_h, g_c):
        return NotImplemented
    operands = flat(kernel, c, mask, gates, cs, tanhs, g, g_h, g_c)
    sequence = _lstm_grad(*operands, target(gates.shape, out))
    if not sequence.once():
        return NotImplemented
    dx, dh, dc = sequence.results
    return deliver(dx, out), dh, dc


@numba.binds(prim.lstm_grad)
def bind_lstm_grad(kernel, h, c, mask, gates, cs, tanhs, g, g_h, g_c, *, out=None):
    operands = (kernel, c, mask, gates, cs, tanhs, g, g_h, g_c)
    if not _suits(gates, *operands):
        return NotImplemented
    if out is None or not are_flat(*operands, out):
        return None
    return _lstm_grad(*operands, out).bound(0)


def _gru(x, kernel, bias, h, mask, outputs, residuals) -> _Sequence:
    kept, (batch, units) = len(x) if residuals else 1, h.shape
    gates, inner, last = _new(kept, batch, 3 * units), _new(kept, batch, units), _new(batch, units)

    def finish():
        last[...] = outputs[-1]

    arguments = (x, _or_none(bias, 1), h, _or_none(mask, 2), outputs, gates, inner)
    results = (outputs, last, *((gates, inner) if residuals else ()))
    return _Sequence(_GRU, kernel, False, x, arguments, _nothing, finish, results)


@numba.implements(prim.gru)
def gru(x, kernel, bias, h, mask, *, out=None, residuals=False):
    if not _suits(x, kernel, bias, h, mask):
        return NotImplemented
    sequence = _gru(*flat(x, kernel, bias, h, mask), target((*x.shape[:2], h.shape[1]), out), residuals)
    if not sequence.once():
        return NotImplemented
    outputs, last, *kept = sequence.results
    return (deliver(outputs, out), last), tuple(kept)


@numba.binds(prim.gru)
def bind_gru(x, kernel, bias, h, mask, *, out=None, residuals=False):
    if not _suits(x, kernel, bias, h, mask):
        return NotImplemented
    if out is None or not are_flat(x, kernel, bias, h, mask, out):
        return None
    return _gru(x, kernel, bias, h, mask, out, residuals).bound(1)


def _gru_grad(kernel, h, mask, outputs, gates, inner, g, g_h, dx) -> _Sequence:
    d_product, dh, direct = _new(*gates.shape), _new(*h.shape), _new(*h.shape)
    arguments = (h, _or_none(mask, 2), outputs, gates, inner, _or_none(g, 3), dh, direct, dx, d_product)
    return _Sequence(_GRU_GRAD, kernel, True, gates, arguments, _begin(g_h, dh), _nothing, (dx, d_product, dh))


@numba.implements(prim.gru_grad)
def gru_grad(kernel, h, mask, outputs, gates, inner, g, g_h, *, out=None):
    if not _suits(gates, kernel, h, mask, g, g_h):
        return NotImplemented
    operands = flat(kernel, h, mask, outputs, gates, inner, g, g_h)
    sequence = _gru_grad(*operands, target(gates.shape, out))
    if not sequence.once():
        return NotImplemented
    dx, d_product, dh = sequence.results
    return deliver(dx, out), d_product, dh


@numba.binds(prim.gru_grad)
def bind_gru_grad(kernel, h, mask, outputs, gates, inner, g, g_h, *, out=None):
    operands = (kernel, h, mask, outputs, gates, inner, g, g_h)
    if not _suits(gates, *operands):
        return NotImplemented
    if out is None or not are_flat(*operands, out):
        return None
    return _gru_grad(*operands, out).bound(0)
