"""Activations in one pass, and their gradients."""

from __future__ import annotations

from typing import Any

from gpunet.backend.cuda.arrays import implements
from gpunet.backend.cuda.launcher import Family
from gpunet.backend.cuda.mapping import can_map, result_of, run_map
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.dtypes import FLOATS
from gpunet.backend.primitive import Primitive
from gpunet.backend.primitives import elementwise as prim

ACTIVATION = Family("activation.cu", TYPE=("float", "double", "float16", "bfloat16"))


def _takes(*arrays: Any, **_: Any) -> bool:
    first = arrays[0]
    return first.dtype in FLOATS and all(a.dtype == first.dtype for a in arrays) and can_map(*arrays)


def _implement(primitive: Primitive) -> None:
    @implements(primitive, where=_takes)
    def run(*arrays, out=None, **parameters):
        dtype = arrays[0].dtype
        kernel = ACTIVATION(TYPE=C_TYPES[dtype])[f"map_{primitive.name}"]
        return run_map(kernel, result_of(out, dtype, *arrays), *arrays, numbers=tuple(parameters.values()))


for _primitive in (*prim.ACTIVATION.values(), *prim.ACTIVATION_GRAD.values()):
    _implement(_primitive)
