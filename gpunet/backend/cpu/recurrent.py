"""LSTM and GRU on NumPy arrays: the portable loops, whose products are with one kernel all the time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.threads import ONE_THREAD
from gpunet.backend.portable import recurrent as portable
from gpunet.backend.primitives import recurrent as prim

packers: list[Callable] = []  # of other providers: (kernel, rows) → a function like that of `products_with`, or None


def products_with(kernel: np.ndarray, rows: int) -> Callable:
    """A function `product(a, out=)` that multiplies (rows, inner) matrices by a kernel, which stays as it is."""
    for packer in packers:
        found = packer(kernel, rows)
        if found is not None:
            return found
    if rows * kernel.size <= ONE_THREAD:
        return lambda a, out: np.matmul(a, kernel, out=out)  # what the primitive does, without asking who does it
    return portable.by_primitive(kernel, rows)


@cpu.implements(prim.lstm)
def lstm(x, kernel, h, c, mask, *, out=None, residuals=False):
    return portable.run_lstm(np, products_with, x, kernel, h, c, mask, out, residuals)


@cpu.implements(prim.lstm_grad)
def lstm_grad(kernel, h, c, mask, gates, cs, tanhs, g, g_h, g_c, *, out=None):
    return portable.run_lstm_grad(np, products_with, kernel, h, c, mask, gates, cs, tanhs, g, g_h, g_c, out)


@cpu.implements(prim.gru)
def gru(x, kernel, bias, h, mask, *, out=None, residuals=False):
    return portable.run_gru(np, products_with, x, kernel, bias, h, mask, out, residuals)


@cpu.implements(prim.gru_grad)
def gru_grad(kernel, h, mask, outputs, gates, inner, g, g_h, *, out=None):
    return portable.run_gru_grad(np, products_with, kernel, h, mask, outputs, gates, inner, g, g_h, out)
