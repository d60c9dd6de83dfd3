"""The gradient of max pooling over windows that do not overlap: each window's gradient is stored at its winner."""

from __future__ import annotations

import functools
import math

import numpy as np

from gpunet.backend.cpu.results import deliver, is_flat, target
from gpunet.backend.numba_cpu import loops, numba
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.primitives import pooling as prim

_SMALL = 1 << 12  # items
_GRADIENTS, _WINNERS, _PLACES = "float32[:, :, ::1]", "uint8[:, :, ::1]", "uintp[::1]"
_SCATTER = Loop(loops.scatter, f"void({_GRADIENTS}, {_WINNERS}, {_GRADIENTS}, {_PLACES}, {_PLACES}, intp)", saving=1.5)


@functools.lru_cache(maxsize=256)
def _places(spatial, out_spatial, window) -> tuple[np.ndarray, np.ndarray]:
    """Where windows start, and where their elements are from there, as indices into flattened spatial axes."""
    steps = [math.prod(spatial[i + 1 :]) for i in range(len(spatial))]

    def flat(shape, scale):
        return (np.indices(shape).reshape(len(shape), -1).T @ np.multiply(steps, scale)).astype(np.uintp)

    return flat(out_spatial, window), flat(window, 1)


@numba.implements(prim.max_pool_grad)
def max_pool_grad(g, winner, *, spatial, window, strides, padding, out=None):
    disjoint = window == strides and not any(map(any, padding))
    if not disjoint or g.size < _SMALL or g.dtype.char != "f" or winner.dtype.char != "B":
        return NotImplemented
    code = _SCATTER.when_ready(g.size)
    if code is None:
        return NotImplemented
    count, channels = g.shape[0], g.shape[-1]
    dx = target((count, *spatial, channels), out)
    flat = [np.ascontiguousarray(a).reshape(count, -1, channels) for a in (g, winner, dx)]
    places = _places(spatial, g.shape[1:-1], window)
    code(*flat, *places)
    return deliver(dx, out)


@numba.binds(prim.max_pool_grad)
def bind_max_pool_grad(g, winner, *, spatial, window, strides, padding, out=None):
    if window != strides or any(map(any, padding)) or g.size < _SMALL:
        return NotImplemented
    if out is None or not is_flat(g) or not is_flat(out) or winner.dtype.char != "B" or not winner.flags.c_contiguous:
        return None
    arrays = [a.reshape(g.shape[0], -1, g.shape[-1]) for a in (g, winner, out)]
    return _SCATTER.bound(g.size, *arrays, *_places(spatial, g.shape[1:-1], window), result=out)
