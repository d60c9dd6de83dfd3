"""The hot path: elementwise ops of one or two operands, whose own cost is most of a small op's time.

Both builders return a function that handles the common case, float operands of equal dtype and shape, in as few
steps as Python allows, and hands everything else to `general`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunet.autograd.tape import Gradient, clock, state
from gpunet.autograd.tensor import Tensor, wrap
from gpunet.backend.dtypes import FLOAT32, FLOAT64
from gpunet.backend.memory import POOLED_BYTES, empty_like
from gpunet.backend.primitive import Primitive

_NUMBERS = (float, int)


def unary(primitive: Primitive, general: Callable) -> Callable:
    """An op of one float operand; `primitive.gradient` must be set and local."""
    table = primitive.table
    gradient: Gradient = primitive.gradient
    saves = gradient.saves

    def op(x):
        plain = type(x) in table
        if not plain and type(x) is not Tensor:
            return general(x)
        a = x if plain else x.array
        kind, dtype = type(a), a.dtype
        if dtype is not FLOAT32 and dtype is not FLOAT64:
            return general(x)
        out = table[kind](a) if a.nbytes < POOLED_BYTES else table[kind](a, out=empty_like(a))
        if type(out) is not kind:
            out = np.asarray(out)
        if plain:
            return out
        base, node = state.base, x._node
        if base is None or node is None or node[0] >= base:
            return wrap(out)
        saved = () if not saves else (out,) if saves == "o" else (a,)
        return wrap(out, [clock(), gradient, (node,), saved, None])

    return op


def binary(primitive: Primitive, general: Callable) -> Callable:
    """An op of two float operands; `primitive.gradient` must be set and local."""
    table = primitive.table
    gradient: Gradient = primitive.gradient
    saves = gradient.saves

    def op(x, y):
        plain = type(x) in table
        if not plain and type(x) is not Tensor:
            return general(x, y)
        a = x if plain else x.array
        kind, dtype, other = type(a), a.dtype, None
        if dtype is not FLOAT32 and dtype is not FLOAT64:
            return general(x, y)
        if type(y) in _NUMBERS:
            b = y
        else:
            if type(y) is Tensor:
                b, other, plain = y.array, y._node, False
            else:
                b = y
            if type(b) is not kind or b.dtype is not dtype or b.shape != a.shape:
                return general(x, y)
        out = table[kind](a, b) if a.nbytes < POOLED_BYTES else table[kind](a, b, out=empty_like(a))
        if type(out) is not kind:
            out = np.asarray(out)
        if plain:
            return out
        base = state.base
        if base is None:
            return wrap(out)
        node = x._node if type(x) is Tensor else None
        if node is not None and node[0] >= base:
            node = None
        if other is not None and other[0] >= base:
            other = None
        if node is None and other is None:
            return wrap(out)
        if saves == "xy":
            saved = (a, b)
        elif not saves:
            saved = ()
        else:
            saved = tuple(out if name == "o" else a if name == "x" else b for name in saves)
        return wrap(out, [clock(), gradient, (node, other), saved, None])

    return op
