"""What ops do with their arguments before the primitive runs: conversion, promotion, axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.autograd.apply import apply, autocast
from gpunet.autograd.tensor import Tensor, raw
from gpunet.autograd.variable import scopes
from gpunet.backend.devices import device_of, to_device
from gpunet.backend.dtypes import BFLOAT16, as_dtype, float_type, is_float, result_type
from gpunet.backend.primitive import is_array_type
from gpunet.backend.primitives import elementwise as prim

_NUMBERS = (int, float, bool)


def operand(x: Any) -> Any:
    """A Tensor or raw array as it is; Python data as a Tensor."""
    return x if isinstance(x, Tensor) or is_array_type(type(x)) else Tensor(x)


def number_or_operand(x: Any) -> Any:
    """Like `operand`, but Python numbers stay numbers; np.float64 scalars are Python floats too."""
    if type(x) in _NUMBERS:
        return x
    return float(x) if isinstance(x, float) else operand(x)


def cast_to(x: Any, dtype: Any) -> Any:
    """x in `dtype`, differentiable; x itself where it is that already."""
    dtype = as_dtype(dtype)
    return x if x.dtype is dtype or x.dtype == dtype else apply(prim.cast, x, dtype=dtype)


def float_operand(x: Any) -> Any:
    """x as a float tensor: integers and bools become `floatx()`."""
    x = operand(x)
    return cast_to(x, float_type(x.dtype))


def _is_array(x: Any) -> bool:
    return isinstance(x, Tensor) or is_array_type(type(x))


def promote(*operands: Any, to_float: bool = False) -> Sequence[Any]:
    """The operands in their common dtype (Keras's rules); Python numbers stay numbers unless all are, or bfloat16.

    With `to_float`, a common dtype that is not a float becomes `floatx()`.
    """
    if scopes.compute_dtype is not None:
        operands = tuple(map(autocast, operands))
    if len(operands) == 2 and not to_float:
        x, y = operands
        if _is_array(x) and _is_array(y) and x.dtype is y.dtype:
            return operands
    values: Sequence[Any] = list(map(number_or_operand, operands))
    if all(type(v) in _NUMBERS for v in values):
        values = [operand(values[0]), *values[1:]]
    dtype = result_type(*[v if type(v) in _NUMBERS else v.dtype for v in values])
    if to_float:
        dtype = float_type(dtype)
    if dtype == BFLOAT16:
        values = tuple(_numbers_beside(values))
    return [v if type(v) in _NUMBERS else cast_to(v, dtype) for v in values]


def _numbers_beside(values: Sequence[Any]) -> Sequence[Any]:
    """Numbers as bfloat16 arrays where the first array is: NumPy would compute bfloat16 and a float in float32."""
    place = device_of(next(raw(v) for v in values if type(v) not in _NUMBERS))
    return [to_device(np.asarray(v, BFLOAT16), place) if type(v) in _NUMBERS else v for v in values]


def normalize_axis(axis: Any, ndim: int, name: str = "axis") -> int:
    """A non-negative axis.

    Raises:
        ValueError: if it is outside [-ndim, ndim).
    """
    axis = int(axis)
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name} must be in [{-ndim}, {ndim}). Received: {name}={axis}")
    return axis + ndim if axis < 0 else axis


def normalize_axes(axis: Any, ndim: int) -> tuple[int, ...] | None:
    """A sorted tuple of non-negative axes, or None for all."""
    if axis is None:
        return None
    axes = axis if isinstance(axis, list | tuple) else (axis,)
    found = sorted({normalize_axis(a, ndim) for a in axes})
    if len(found) != len(axes):
        raise ValueError(f"axis has duplicates. Received: axis={axis}")
    return tuple(found)


def as_shape(shape: Any) -> tuple[int, ...]:
    """A shape given as an int or a sequence of ints (Tensors with one element count as ints)."""
    if isinstance(shape, int | np.integer):
        return (int(shape),)
    return tuple(int(n) for n in shape)


__all__ = [
    "as_shape",
    "cast_to",
    "float_operand",
    "is_float",
    "normalize_axes",
    "normalize_axis",
    "number_or_operand",
    "operand",
    "promote",
]
