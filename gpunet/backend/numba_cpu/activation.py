"""GELU and SiLU in one pass each way, without residuals. Their exp is not NumPy's, so sizes alone choose them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backend.bound import giving
from gpunet.backend.cpu.results import deliver, is_flat, target
from gpunet.backend.numba_cpu import activation_loops as loops
from gpunet.backend.numba_cpu import numba
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.primitives import elementwise as prim

_SMALL = 1 << 14  # numbers: below it compiling takes longer than it saves in most programs
_V = "float32[::1]"


def _suits(*arrays: Any) -> bool:
    first = arrays[0]
    return first.size >= _SMALL and all(a.dtype.char == "f" and a.shape == first.shape for a in arrays)


def _apply(loop: Loop, arrays: tuple, out: Any) -> Any:
    if not _suits(*arrays) or (code := loop.now(arrays[0].size)) is None:
        return NotImplemented
    result = target(arrays[0].shape, out)
    code(*(np.ascontiguousarray(a).reshape(-1) for a in arrays), result.reshape(-1))
    return deliver(result, out)


def _bound(loop: Loop, arrays: tuple, out: Any, found: Any) -> Any:
    """`_apply` on these very arrays, returning `found`."""
    if not _suits(*arrays):
        return NotImplemented
    if out is None or not all(map(is_flat, (*arrays, out))):
        return None
    call = loop.fixed(out.size, *(a.reshape(-1) for a in (*arrays, out)))
    if call is None:
        return NotImplemented

    def run():
        call()
        return found

    return giving(run, out)


def _implement(name: str, forward: Callable[..., None], backward: Callable[..., None]) -> None:
    value, gradient = Loop(forward, f"void({_V}, {_V}, intp)"), Loop(backward, f"void({_V}, {_V}, {_V}, intp)")

    @numba.implements(prim.GATED[name])
    def apply(x, *, out=None, residuals=False):
        y = _apply(value, (x,), out)
        return y if y is NotImplemented else (y, ())

    @numba.binds(prim.GATED[name])
    def bind(x, *, out=None, residuals=False):
        return _bound(value, (x,), out, (out, ()))

    @numba.implements(prim.GATED_GRAD[name])
    def apply_grad(g, x, *kept, out=None):
        return _apply(gradient, (g, x), out)

    @numba.binds(prim.GATED_GRAD[name])
    def bind_grad(g, x, *kept, out=None):
        return _bound(gradient, (g, x), out, out)


_implement("gelu", loops.gelu, loops.gelu_grad)
_implement("gelu_tanh", loops.gelu_tanh, loops.gelu_tanh_grad)
_implement("silu", loops.silu, loops.silu_grad)
