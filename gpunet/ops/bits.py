"""Ops on the bits of numbers, which have no derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.backend.abstract import AbstractArray
from gpunet.backend.dtypes import as_dtype
from gpunet.ops import elementwise as el
from gpunet.ops.library import library_function, wide
from gpunet.ops.operands import operand, promote
from gpunet.ops.reduction import broadcast_to
from gpunet.symbolic.ops import symbolic_op

_nextafter = library_function("nextafter", lambda xp, x1, x2: xp.nextafter(x1, x2), lambda x1, x2: x1)


@symbolic_op
def nextafter(x1: Any, x2: Any) -> Any:
    """The next float after x1 towards x2. Elementwise with broadcasting; a constant for tapes."""
    x1, x2 = promote(wide(x1), wide(x2))
    shape = np.broadcast_shapes(x1.shape, x2.shape)
    return _nextafter(broadcast_to(x1, shape), broadcast_to(x2, shape))


def _view_shape(x, *, dtype):
    if not x.shape:
        return AbstractArray((), dtype)
    return AbstractArray((*x.shape[:-1], x.shape[-1] * x.dtype.itemsize // dtype.itemsize), dtype)


_view = library_function("view", lambda xp, x, *, dtype: x.view(dtype), _view_shape)


@symbolic_op
def view(x: Any, dtype: Any = None) -> Any:
    """The bits of x as numbers of another dtype; where its elements have another size, the last axis has too.

    Raises:
        ValueError: if the last axis does not fit whole elements.
    """
    x = operand(x)
    dtype = x.dtype if dtype is None else as_dtype(dtype)
    nbytes = (x.shape[-1] if x.shape else 1) * x.dtype.itemsize
    if nbytes % dtype.itemsize or (not x.shape and x.dtype.itemsize != dtype.itemsize):
        raise ValueError(f"view: {dtype} does not fit the last axis. Received: shape={tuple(x.shape)}, {x.dtype}")
    return _view(el.copy(x), dtype=dtype)
