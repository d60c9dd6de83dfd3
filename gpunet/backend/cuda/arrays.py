"""What implementations share: registering with a fall back, contiguous operands, outputs, grids."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backend.cuda import cuda
from gpunet.backend.cuda.copying import copy_into, flat_grid
from gpunet.backend.cuda.launcher import VECTOR_BYTES, address
from gpunet.backend.cuda.runtime import runtime_of
from gpunet.backend.dtypes import FLOAT16, FLOAT32, FLOAT64
from gpunet.backend.portable import portable
from gpunet.backend.primitive import Primitive, backend_of

_INT32_LIMIT = 2**31

__all__ = [
    "contiguous",
    "copy_into",
    "deliver",
    "empty",
    "flat_grid",
    "implements",
    "is_float",
    "is_real",
    "reach",
    "target",
    "vector",
]


def implements(primitive: Primitive, where: Callable[..., bool]) -> Callable[[Callable], Callable]:
    """Decorator: register a function with the provider "cuda" for the calls that `where(*arrays, **attributes)` takes.

    The others, such as dtypes without a kernel or arrays without elements, take the portable implementation.
    """

    def register(function: Callable) -> Callable:
        @functools.wraps(function)
        def run(*arrays, **attributes):
            first = next(a for a in arrays if hasattr(a, "dtype"))
            options = {name: value for name, value in attributes.items() if name not in ("out", "residuals")}
            with runtime_of(first).scope(first):
                if where(*arrays, **options):
                    return function(*arrays, **attributes)
                fall_back = portable.bind(primitive, backend_of(type(first)).xp)
                assert fall_back is not None, primitive
                return fall_back(*arrays, **attributes)

        return cuda.implements(primitive)(run)

    return register


def is_real(*arrays: Any, **_: Any) -> bool:
    """True where all operands are float32 or float64 arrays of one dtype, or None, with 1 to 2³¹−1 elements each."""
    return _are_of_one(arrays, (FLOAT32, FLOAT64))


def is_float(*arrays: Any, **_: Any) -> bool:
    """The same, or float16, for kernels that accumulate in float32."""
    return _are_of_one(arrays, (FLOAT32, FLOAT64, FLOAT16))


def _are_of_one(arrays: tuple, dtypes: tuple) -> bool:
    dtype: Any = getattr(arrays[0], "dtype", None)
    return dtype in dtypes and all(_fits(a, dtype) for a in arrays if a is not None)


def _fits(array: Any, dtype: np.dtype) -> bool:
    return hasattr(array, "dtype") and array.dtype == dtype and 0 < array.size < _INT32_LIMIT


def reach(array: Any) -> int:
    """How many elements apart in memory the first and the last element of an array are at most."""
    return sum(abs(step) * (n - 1) for n, step in zip(array.shape, array.strides)) // array.dtype.itemsize


def empty(like: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
    """An uninitialised array where `like` is, of its dtype or another."""
    return backend_of(type(like)).xp.empty(shape, like.dtype if dtype is None else dtype)


def contiguous(array: Any, alignment: int = 1) -> Any:
    """The array itself if it is C-contiguous and begins at a multiple of `alignment` bytes, else a copy."""
    if array.flags.c_contiguous and address(array) % alignment == 0:
        return array
    copy = empty(array, array.shape)
    copy_into(copy, array)
    return copy


def vector(array: Any) -> Any:
    """The array as a VECTOR parameter takes it."""
    return contiguous(array, VECTOR_BYTES)


def target(out: Any, like: Any, shape: tuple[int, ...], dtype: Any = None, alignment: int = VECTOR_BYTES) -> Any:
    """Where a kernel writes a result of `shape`: `out` if it is contiguous and aligned, else a new array.

    Raises:
        ValueError: if `out` has another shape or dtype.
    """
    if out is None:
        return empty(like, shape, dtype)
    expected = like.dtype if dtype is None else dtype
    if out.shape != tuple(shape) or out.dtype != expected:
        raise ValueError(f"out must be of shape {tuple(shape)} and {expected}. Received: {out.shape}, {out.dtype}")
    return out if out.flags.c_contiguous and address(out) % alignment == 0 else empty(like, shape, dtype)


def deliver(result: Any, out: Any) -> Any:
    """`result`, copied to `out` where `target` could not hand `out` to the kernel."""
    if out is None or out is result:
        return result
    copy_into(out, result)
    return out
