"""Reductions over axes (a tuple of non-negative axes; None is all), and scans along one axis."""

from __future__ import annotations

import math

from gpunet.backend.abstract import AbstractArray
from gpunet.backend.dtypes import BOOL, INT32
from gpunet.backend.primitive import Primitive


def reduced_shape(shape, axis, keepdims):
    """The shape that is left after reducing `axis` (None, or non-negative axes)."""
    if axis is None:
        axis = range(len(shape))
    if keepdims:
        return tuple(1 if d in axis else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in axis)


def _infer(x, *, axis=None, keepdims=False):
    return AbstractArray(reduced_shape(x.shape, axis, keepdims), x.dtype)


def _infer_nonempty(x, *, axis=None, keepdims=False):
    axes = range(x.ndim) if axis is None else axis
    if math.prod(x.shape[d] for d in axes) == 0 and x.ndim:
        raise ValueError(f"cannot take the maximum or minimum over no elements. Received: shape={x.shape}")
    return _infer(x, axis=axis, keepdims=keepdims)


def _infer_bool(x, *, axis=None, keepdims=False):
    return AbstractArray(reduced_shape(x.shape, axis, keepdims), BOOL)


def _infer_index(x, *, axis, keepdims=False):
    return AbstractArray(reduced_shape(x.shape, (axis,), keepdims), INT32)


def _infer_scan(x, *, axis):
    return AbstractArray(x.shape, x.dtype)


sum = Primitive("sum", _infer)
mean = Primitive("mean", _infer)
prod = Primitive("prod", _infer)
amax = Primitive("amax", _infer_nonempty)
amin = Primitive("amin", _infer_nonempty)
any = Primitive("any", _infer_bool)
all = Primitive("all", _infer_bool)
argmax = Primitive("argmax", _infer_index)
argmin = Primitive("argmin", _infer_index)
cumsum = Primitive("cumsum", _infer_scan)
cumprod = Primitive("cumprod", _infer_scan)
