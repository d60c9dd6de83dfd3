"""Activations on NumPy: the steps of each on pieces that stay in a core's nearest cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.threads import split
from gpunet.backend.memory import empty
from gpunet.backend.portable import portable
from gpunet.backend.portable.activation import FORMULAS
from gpunet.backend.primitive import Primitive
from gpunet.backend.primitives import elementwise as prim

_PIECE = 1 << 13  # numbers


def _suits(x, *others) -> bool:
    """Whether all are float32 or float64 arrays of one shape and dtype, contiguous."""
    alike = all(a.shape == x.shape and a.dtype == x.dtype and a.flags.c_contiguous for a in (x, *others))
    return alike and x.dtype.char in "fd"


def _implement(primitive: Primitive, compute: Callable) -> None:
    """Register `compute(target, *arrays, **parameters)`, done piece by piece."""
    general = portable.implementations[primitive.name]

    @cpu.implements(primitive)
    def run(*arrays, out=None, **parameters):
        if not _suits(*arrays, *(() if out is None else (out,))):
            return general(np, *arrays, out=out, **parameters)
        x = arrays[0]
        result = empty(x.shape, x.dtype) if out is None else out
        target, *flat = (a.reshape(-1) for a in (result, *arrays))

        def part(first, last):
            for start in range(first, last, _PIECE):
                piece = slice(start, min(start + _PIECE, last))
                compute(target[piece], *(a[piece] for a in flat), **parameters)

        split(part, x.size, 8 * x.nbytes)
        return result


def _value(formula: Callable) -> Callable:
    def compute(target, x, **parameters):
        target[...] = formula(np, x, **parameters)

    return compute


def _gradient(slope: Callable) -> Callable:
    def compute(target, g, x, **parameters):
        np.multiply(g, slope(np, x, **parameters), out=target)

    return compute


for _name, (_formula, _slope) in FORMULAS.items():
    _implement(prim.ACTIVATION[_name], _value(_formula))
    _implement(prim.ACTIVATION_GRAD[_name], _gradient(_slope))
