"""Storage for large results on the CPU, used again when nobody holds them any more. CuPy has a pool of its own.

A fresh large array costs a page fault for every 4 KiB, again each time the allocator has returned it to the system. The
pool keeps the buffers behind large arrays: one is free when the pool holds the only reference, which Python counts.
"""

from __future__ import annotations

import ctypes
import functools
import math
import sys
import threading
from typing import Any

import numpy as np

from gpunet.backend.primitive import Primitive

POOLED_BYTES = 128 * 1024  # smaller arrays come from the allocator's own free lists
_LIMIT_BYTES = 512 * 2**20  # of idle buffers: beyond it they are given back
_LINE = 64  # bytes
_IDLE = 3  # references to an idle buffer while it is looked at: the list, the loop variable, the call


class _Pool(threading.local):
    def __init__(self):
        self.classes: dict[int, list[np.ndarray]] = {}
        self.total = 0


_pool = _Pool()


def _size_class(nbytes: int) -> int:
    """`nbytes` rounded up to an eighth of its power of two."""
    step = 1 << max(12, nbytes.bit_length() - 4)
    return -(-nbytes // step) * step


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array."""
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < POOLED_BYTES:
        return np.empty(shape, dtype)
    size = _size_class(nbytes)
    buffers = _pool.classes.setdefault(size, [])
    for buffer in buffers:
        if sys.getrefcount(buffer) == _IDLE:
            return np.ndarray(shape, dtype, buffer=buffer)
    if _pool.total + size > _LIMIT_BYTES:
        trim()
    buffer = np.empty(size, np.uint8)
    buffers.append(buffer)
    _pool.total += size
    return np.ndarray(shape, dtype, buffer=buffer)


def trim() -> None:
    """Give idle buffers of this thread back to the system."""
    for buffers in _pool.classes.values():
        buffers[:] = [buffer for buffer in buffers if sys.getrefcount(buffer) != _IDLE]
    _pool.total = sum(buffer.nbytes for buffers in _pool.classes.values() for buffer in buffers)


def release() -> None:
    """`trim`, and have the C library give back what it keeps of freed blocks: up to 32 MiB of each, in its heap."""
    trim()
    _malloc_trim()(0)


@functools.cache
def _malloc_trim() -> Any:
    """That of glibc; elsewhere a function that does nothing."""
    return getattr(ctypes.CDLL(None), "malloc_trim", int)


def lasting(xp: Any, shape: tuple[int, ...], dtype: np.dtype, zeros: bool = False) -> Any:
    """An array that is used again and again: on the CPU it starts at a cache line, and loads of whole ones are quicker.

    NumPy's own start 16 bytes behind one, which costs products of a few hundred rows five percent.
    """
    make = xp.zeros if zeros else xp.empty
    if xp is not np:
        return make(shape, dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    buffer = make((nbytes + _LINE,), np.uint8)
    start = -buffer.ctypes.data % _LINE
    return buffer[start : start + nbytes].view(dtype).reshape(shape)


def empty_like(x: Any) -> np.ndarray | None:
    """Storage for a result of x's shape and dtype, or None where the array library should allocate it."""
    return empty(x.shape, x.dtype) if type(x) is np.ndarray else None


def output(primitive: Primitive, arrays: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    """`{"out": array}` for a large result of NumPy arrays, `{}` for others, for views and for in-place primitives."""
    large = False
    for a in arrays:
        if type(a) is np.ndarray:
            large = large or a.nbytes >= POOLED_BYTES // 16
        elif hasattr(a, "shape"):
            return {}
    if not large or primitive.is_view:
        return {}
    aval = primitive.infer(*arrays, **attributes)
    aval = aval[0] if type(aval) is tuple else aval
    if aval is None or math.prod(aval.shape) * aval.dtype.itemsize < POOLED_BYTES:
        return {}
    return {"out": empty(aval.shape, aval.dtype)}
