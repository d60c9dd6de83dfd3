"""Activations in one pass, and their gradients, which compute a gate anew: there are no residuals."""

from __future__ import annotations

from typing import Any

from gpunet.backend.cuda.arrays import implements
from gpunet.backend.cuda.launcher import Family
from gpunet.backend.cuda.mapping import can_map, result_of, run_map
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.dtypes import FLOATS
from gpunet.backend.primitives import elementwise as prim

ACTIVATION = Family("activation.cu", TYPE=("float", "double", "float16", "bfloat16"))


def _takes(*arrays: Any, **_: Any) -> bool:
    first = arrays[0]
    return first.dtype in FLOATS and all(a.dtype == first.dtype for a in arrays) and can_map(*arrays)


def _run(name: str, arrays: tuple, out: Any, *numbers: float) -> Any:
    dtype = arrays[0].dtype
    kernel = ACTIVATION(TYPE=C_TYPES[dtype])[f"map_{name}"]
    return run_map(kernel, result_of(out, dtype, *arrays), *arrays, numbers=numbers)


def _implement_gated(name: str) -> None:
    @implements(prim.GATED[name], where=_takes)
    def value(x, *, out=None, residuals=False):
        return _run(name, (x,), out), ()

    @implements(prim.GATED_GRAD[name], where=_takes)
    def gradient(g, x, *kept, out=None):
        return _run(f"{name}_grad", (g, x), out)


def _implement_rectifier(name: str) -> None:
    @implements(prim.RECTIFIERS[name], where=_takes)
    def value(x, *, alpha, out=None):
        return _run(name, (x,), out, alpha)

    @implements(prim.RECTIFIER_GRADS[name], where=_takes)
    def gradient(g, x, *, alpha, out=None):
        return _run(f"{name}_grad", (g, x), out, alpha)


for _name in prim.GATED:
    _implement_gated(_name)
for _name in prim.RECTIFIERS:
    _implement_rectifier(_name)
