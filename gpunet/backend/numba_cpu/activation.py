"""GELU and SiLU in one pass. Their exp is not NumPy's, so sizes alone choose them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backend.cpu.results import deliver, is_flat, target
from gpunet.backend.numba_cpu import activation_loops, numba
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.primitive import Primitive
from gpunet.backend.primitives import elementwise as prim

_SMALL = 1 << 14  # numbers: below it compiling takes longer than it saves in most programs
_V = "float32[::1]"


def _suits(*arrays: Any) -> bool:
    first = arrays[0]
    return first.size >= _SMALL and all(a.dtype.char == "f" and a.shape == first.shape for a in arrays)


def _implement(primitive: Primitive, function: Callable[..., None], operands: int) -> None:
    loop = Loop(function, f"void({', '.join([_V] * (operands + 1))}, intp)")

    @numba.implements(primitive)
    def run(*arrays, out=None):
        if not _suits(*arrays) or (code := loop.now(arrays[0].size)) is None:
            return NotImplemented
        result = target(arrays[0].shape, out)
        code(*(np.ascontiguousarray(a).reshape(-1) for a in (*arrays, result)))
        return deliver(result, out)

    @numba.binds(primitive)
    def bind(*arrays, out=None):
        if not _suits(*arrays):
            return NotImplemented
        if out is None or not all(map(is_flat, (*arrays, out))):
            return None
        call = loop.fixed(out.size, *(a.reshape(-1) for a in (*arrays, out)))
        if call is None:
            return NotImplemented

        def compute():
            call()
            return out

        return compute


for _name in ("gelu", "gelu_tanh", "silu"):
    _implement(prim.ACTIVATION[_name], getattr(activation_loops, _name), 1)
    _implement(prim.ACTIVATION_GRAD[_name], getattr(activation_loops, f"{_name}_grad"), 2)
