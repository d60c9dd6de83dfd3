"""Activations on NumPy: the steps of each on pieces that stay in a core's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.threads import split
from gpunet.backend.memory import empty
from gpunet.backend.portable import portable
from gpunet.backend.portable.activation import GATES, RECTIFIERS, Gate, Rectifier
from gpunet.backend.primitives import elementwise as prim

_PIECE = 1 << 16  # numbers: in smaller ones threads would meet at the GIL, at twice the time


def _suits(*arrays: Any) -> bool:
    """Whether all but None are float32 or float64 arrays of one shape and dtype, contiguous."""
    x = arrays[0]
    alike = all(a is None or ((a.shape, a.dtype) == (x.shape, x.dtype) and a.flags.c_contiguous) for a in arrays)
    return alike and x.dtype.char in "fd"


def _in_pieces(compute: Callable[..., None], *arrays: Any) -> None:
    """Call `compute` on pieces of flat arrays, or None, in several threads if there are many."""
    flat = [a if a is None else a.reshape(-1) for a in arrays]

    def part(first, last):
        for start in range(first, last, _PIECE):
            piece = slice(start, min(start + _PIECE, last))
            compute(*(a if a is None else a[piece] for a in flat))

    split(part, arrays[0].size, 8 * arrays[0].nbytes)


def _storage(x, out):
    return empty(x.shape, x.dtype) if out is None else out


def _implement_gated(name: str, gate: Gate) -> None:
    forward, backward = prim.GATED[name], prim.GATED_GRAD[name]

    @cpu.implements(forward)
    def value(x, *, out=None, residuals=False):
        if not _suits(x, out):
            return portable.implementations[name](np, x, out=out, residuals=residuals)
        y, kept = _storage(x, out), empty(x.shape, x.dtype) if residuals else None

        def compute(x, y, kept):
            factor = gate.of(np, x)
            np.multiply(x, factor, out=y)
            if kept is not None:
                kept[...] = factor

        _in_pieces(compute, x, y, kept)
        return y, () if kept is None else (kept,)

    @cpu.implements(backward)
    def gradient(g, x, *kept, out=None):
        if not _suits(x, g, *kept, out):
            return portable.implementations[backward.name](np, g, x, *kept, out=out)
        dx = _storage(x, out)

        def compute(g, x, dx, factor):
            factor = gate.of(np, x) if factor is None else factor
            np.multiply(gate.steepness(np, x, factor), x, out=dx)
            np.multiply(np.add(dx, factor, out=dx), g, out=dx)

        _in_pieces(compute, g, x, dx, *(kept or (None,)))
        return dx


def _implement_rectifier(name: str, rectifier: Rectifier) -> None:
    forward, backward = prim.RECTIFIERS[name], prim.RECTIFIER_GRADS[name]

    @cpu.implements(forward)
    def value(x, *, alpha, out=None):
        if not _suits(x, out):
            return portable.implementations[name](np, x, alpha=alpha, out=out)
        y = _storage(x, out)
        _in_pieces(lambda x, y: np.copyto(y, rectifier.of(np, x, alpha)), x, y)
        return y

    @cpu.implements(backward)
    def gradient(g, x, *, alpha, out=None):
        if not _suits(x, g, out):
            return portable.implementations[backward.name](np, g, x, alpha=alpha, out=out)
        dx = _storage(x, out)
        _in_pieces(lambda g, x, dx: np.multiply(g, rectifier.slope(np, x, alpha), out=dx), g, x, dx)
        return dx


for _name, _gate in GATES.items():
    _implement_gated(_name, _gate)
for _name, _rectifier in RECTIFIERS.items():
    _implement_rectifier(_name, _rectifier)
