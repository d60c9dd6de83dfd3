"""Maps over whole arrays: functions of one to three operands, choosing, filling and conversions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backend.cuda.arrays import copy_into, empty, implements
from gpunet.backend.cuda.copying import MOVE, WORDS
from gpunet.backend.cuda.launcher import Family, Kernel
from gpunet.backend.cuda.mapping import can_map, result_of, run_map
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.dtypes import BOOL, FLOATS, as_dtype
from gpunet.backend.primitives import elementwise as prim

_FLOAT_TYPES = ("float", "double", "float16", "bfloat16")
UNARY = Family("unary.cu", TYPE=_FLOAT_TYPES)
BINARY = Family("binary.cu", TYPE=_FLOAT_TYPES)
INTEGER = Family("integer.cu", TYPE=("bool", "unsigned char", "int", "long long"))
CAST = Family("cast.cu", TYPE=sorted(C_TYPES.values()))

_INTEGERS = frozenset(map(as_dtype, ("uint8", "int32", "int64")))
_NO_INTEGERS = "floor ceil rint trunc".split()  # functions that leave integers as they are
_BOOL_OPS = frozenset(
    """
    add multiply maximum minimum bitwise_and bitwise_or bitwise_xor equal not_equal less less_equal greater
    greater_equal logical_and logical_or logical_xor logical_not invert clip
    """.split()
)


def _is_number(x: Any, dtype: np.dtype) -> bool:
    """True for a Python number that an operation with arrays of `dtype` takes as one of them."""
    if dtype in FLOATS:
        return isinstance(x, int | float)
    if dtype == BOOL:
        return isinstance(x, bool)
    return isinstance(x, int) and np.iinfo(dtype).min <= x <= np.iinfo(dtype).max


def _agree(*operands: Any) -> bool:
    """True for arrays of one dtype, and numbers that fit it, with elements to compute."""
    dtype = next(x.dtype for x in operands if hasattr(x, "dtype"))
    for x in operands:
        if not (x.dtype == dtype if hasattr(x, "dtype") else _is_number(x, dtype)):
            return False
    return can_map(*operands)


def _takes(name: str, floats: Family) -> Callable[..., bool]:
    """Whether there is a kernel of this name for the operands' dtype."""
    integer_kernel = INTEGER(TYPE="int").kernels().get(f"map_{name}") is not None
    float_kernel = floats(TYPE="float").kernels().get(f"map_{name}") is not None

    def where(*operands):
        dtype = next(x.dtype for x in operands if hasattr(x, "dtype"))
        if dtype in FLOATS:
            return float_kernel and _agree(*operands)
        known = dtype in _INTEGERS or (dtype == BOOL and name in _BOOL_OPS)
        return integer_kernel and known and _agree(*operands)

    return where


def _kernel(name: str, floats: Family, dtype: np.dtype) -> Kernel:
    return (floats if dtype in FLOATS else INTEGER)(TYPE=C_TYPES[dtype])[f"map_{name}"]


def _unary(name: str, primitive: Any, result: np.dtype | None = None) -> Callable:
    @implements(primitive, where=_takes(name, UNARY))
    def run(x, *, out=None):
        return run_map(_kernel(name, UNARY, x.dtype), result_of(out, result or x.dtype, x), x)

    return run


def _binary(name: str, primitive: Any, result: np.dtype | None = None) -> Callable:
    @implements(primitive, where=_takes(name, BINARY))
    def run(a, b, *, out=None):
        dtype = a.dtype if hasattr(a, "dtype") else b.dtype
        target = result_of(out, result or dtype, a, b)
        number = b if hasattr(a, "dtype") else a
        return run_map(_kernel(name, BINARY, dtype), target, a, b, numbers=(_number(number),))

    return run


def _number(x: Any) -> Any:
    """The number that stands for an operand, 0 for an array."""
    return 0 if hasattr(x, "dtype") else x


for _name, _primitive in prim.UNARY.items():
    _unary(_name, _primitive)
for _name, _primitive in prim.UNARY_BOOL.items():
    _unary(_name, _primitive, BOOL)
for _name, _primitive in prim.BINARY.items():
    _binary(_name, _primitive)
for _name, _primitive in prim.BINARY_BOOL.items():
    _binary(_name, _primitive, BOOL)
_binary("relu_grad", prim.relu_grad)
_binary("tanh_grad", prim.tanh_grad)
_binary("sigmoid_grad", prim.sigmoid_grad)

# x to these powers is a function of its own, as with NumPy: exact, and quicker.
_POWERS = {2: "square", 0.5: "sqrt", -1: "reciprocal"}
_power = _binary("power", prim.BINARY["power"])


@implements(prim.BINARY["power"], where=_takes("power", BINARY))
def power(a, b, *, out=None):
    function = None if hasattr(b, "dtype") else _POWERS.get(b)
    if function is None or a.dtype not in FLOATS:
        return _power(a, b, out=out)
    return prim.UNARY[function](a, out=out)


@implements(prim.clip, where=_takes("clip", BINARY))
def clip(x, low, high, *, out=None):
    target = result_of(out, x.dtype, x, low, high)
    return run_map(_kernel("clip", BINARY, x.dtype), target, x, low, high, numbers=(_number(low), _number(high)))


def bits_of(number: Any, dtype: np.dtype) -> int:
    """The bits of a number in `dtype`, 0 for an array."""
    if hasattr(number, "dtype"):
        return 0
    return int(np.array(number).astype(dtype).view(WORDS[dtype.itemsize]))


def _chooses(condition, x, y):
    dtype = x.dtype if hasattr(x, "dtype") else y.dtype
    return dtype.itemsize in WORDS and _agree(x, y) and can_map(condition, x, y)


@implements(prim.where, where=_chooses)
def where(condition, x, y, *, out=None):
    if condition.dtype != BOOL:
        condition = prim.cast(condition, dtype=BOOL)
    dtype = x.dtype if hasattr(x, "dtype") else y.dtype
    word = WORDS[dtype.itemsize]
    target = result_of(out, dtype, condition, x, y)
    kernel = MOVE(TYPE=C_TYPES[word])["map_where"]
    words = [v.view(word) if hasattr(v, "dtype") else v for v in (x, y)]
    run_map(kernel, target.view(word), condition, *words, numbers=(bits_of(x, dtype), bits_of(y, dtype)))
    return target


def fill(out: Any, number: Any) -> Any:
    """out[...] = number."""
    if not can_map(out):
        out.fill(number)
        return out
    word = WORDS[out.dtype.itemsize]
    run_map(MOVE(TYPE=C_TYPES[word])["map_fill"], out.view(word), numbers=(bits_of(number, out.dtype),))
    return out


def _is_known(x, **_):
    return x.dtype in C_TYPES and can_map(x)


@implements(prim.cast, where=_is_known)
def cast(x, *, dtype, out=None):
    if dtype == x.dtype:
        return copy(x, out=out)
    kernel = CAST(TYPE=C_TYPES[x.dtype])[f"cast_{as_dtype(dtype).name}"]
    return run_map(kernel, result_of(out, dtype, x), x)


@implements(prim.copy, where=_is_known)
def copy(x, *, out=None):
    result = result_of(out, x.dtype, x)
    copy_into(result, x)
    return result


@implements(prim.zeros_like, where=_is_known)
def zeros_like(x, *, out=None):
    return fill(empty(x, x.shape) if out is None else out, 0)


@implements(prim.ones_like, where=_is_known)
def ones_like(x, *, out=None):
    return fill(empty(x, x.shape) if out is None else out, 1)
