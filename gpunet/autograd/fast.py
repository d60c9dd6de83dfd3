"""The hot path: elementwise ops of one or two operands, whose own cost is most of a small op's time.

Both builders return a function that handles the common case, float operands of equal dtype and shape, in as few
steps as Python allows, and hands everything else to `general`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunet.autograd.tape import Gradient, clock, note_use, state
from gpunet.autograd.tensor import Tensor, wrap
from gpunet.autograd.variable import Variable, scopes
from gpunet.backend import large
from gpunet.backend.dtypes import FLOAT32, FLOAT64
from gpunet.backend.memory import POOLED_BYTES, empty_like
from gpunet.backend.primitive import Primitive

_new = object.__new__


def unary(primitive: Primitive, general: Callable) -> Callable:
    """An op of one float operand; `primitive.gradient` must be set and local."""
    table = primitive.table
    gradient: Gradient = primitive.gradient
    saves = gradient.saves

    def op(x):
        plain = type(x) is not Tensor
        if plain and type(x) not in table:
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
        node = x._node
        if node is None or (base := state.base) is None or node[0] >= base:
            return wrap(out)
        tensor = _new(Tensor)  # as `wrap` does, without its call
        tensor.array = out
        tensor._node = [clock(), gradient, (node,), (out,) if saves == "o" else (a,) if saves else (), None]
        return tensor

    return op


def binary(primitive: Primitive, general: Callable) -> Callable:
    """An op of two float operands; `primitive.gradient` must be set and local."""
    table = primitive.table
    gradient: Gradient = primitive.gradient
    saves = gradient.saves
    crosswise = gradient.by is not None and saves == "yx"  # each operand's cotangent takes the other one

    def op(x1, x2):
        tx, ty = type(x1), type(x2)
        if tx is Tensor or (tx is Variable and scopes.compute_dtype is None):
            a, node = x1.array, x1._node
        elif tx in table:
            a, node = x1, None
        else:
            return general(x1, x2)
        kind, dtype = type(a), a.dtype
        if dtype is not FLOAT32 and dtype is not FLOAT64:
            return general(x1, x2)
        if ty is float or ty is int:
            b, other = x2, None
        else:
            if ty is Tensor or (ty is Variable and scopes.compute_dtype is None):
                b, other = x2.array, x2._node
            else:
                b, other = x2, None
            if type(b) is not kind or b.dtype is not dtype or b.shape != a.shape:
                return general(x1, x2)
        out = table[kind](a, b) if a.nbytes < POOLED_BYTES else large.of_two(table[kind], a, b)
        if type(out) is not kind:
            out = np.asarray(out)
        if node is None and other is None:
            return out if a is x1 and b is x2 else wrap(out)
        base = state.base
        if base is None:
            return wrap(out)
        if node is not None and node[0] >= base:
            node = None
        if other is not None and other[0] >= base:
            other = None
        if node is None and other is None:
            return wrap(out)
        if crosswise:
            saved = (None if node is None else b, None if other is None else a)
        else:
            saved = gradient.saved((a, b), (node, other), out) if saves else ()
        versions = None
        if ty is Variable and tx is Tensor and x2._leaf[4] == base:  # noted before: spares a call
            versions = ((x2, x2._version),)
        elif tx is Variable or ty is Variable:
            versions = note_use((x1, x2), base)
        tensor = _new(Tensor)
        tensor.array = out
        tensor._node = [clock(), gradient, (node, other), saved, versions if saved else None]
        return tensor

    return op
