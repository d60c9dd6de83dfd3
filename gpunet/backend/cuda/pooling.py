"""Max, min and average pooling, forward and by gathering backward."""

from __future__ import annotations

import functools
import math

import numpy as np

from gpunet.backend.cuda.arrays import deliver, empty, flat_grid, implements, reach, target, vector
from gpunet.backend.cuda.launcher import VECTOR_BYTES, Family, address
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.portable.pooling import argmax_dtype
from gpunet.backend.primitives import pooling as prim
from gpunet.backend.primitives.conv import conv_output_shape

POOLING = Family("pooling.cu", TYPE=("float", "double", "float16"))
_AXES = 3
_LARGEST = 2**31
_TYPES = tuple(map(np.dtype, ("float32", "float64", "float16")))
_SUFFIX = {np.dtype("uint8"): "", np.dtype("uint16"): "_large"}


def _pooled(spatial, window, strides, padding):
    return conv_output_shape(spatial, window, strides, padding, (1,) * len(window))


def _has_kernel(array, shape, window):
    """True for arrays that a kernel reads and, of the given shape, writes."""
    return (
        array.dtype in _TYPES
        and len(window) <= _AXES
        and argmax_dtype(window) in _SUFFIX
        and all(0 < size < _LARGEST for size in (array.size, math.prod(shape), reach(array) + 1))
        and not any(step % array.dtype.itemsize for step in array.strides)
    )


def _forward(x, *, window, strides, padding, **_):
    return _has_kernel(x, _result_shape(x, window, strides, padding), window)


def _backward(g, *_, spatial, window, **__):
    return _has_kernel(g, (g.shape[0], *spatial, g.shape[-1]), window)


def _result_shape(x, window, strides, padding):
    return (x.shape[0], *_pooled(x.shape[1:-1], window, strides, padding), x.shape[-1])


def _launch(name, read, others, written, spatial, extra=(), **geometry):
    """Run a kernel on (read, *others, shape, *extra, count); `spatial` is the size before pooling."""
    kernel = POOLING(TYPE=C_TYPES[read.dtype])[name]
    width = _width(read)
    count = written.size // width
    shape = _shape(kernel, width, written.shape, read.strides, tuple(spatial), **geometry)
    kernel(flat_grid(read, count, kernel.threads), read, *others, shape, *extra, count)


def _width(array):
    """How many channels a thread takes: as many as fit 16 bytes, if they lie so everywhere in `array`."""
    width = VECTOR_BYTES // array.dtype.itemsize
    *outer, inner = array.strides
    aligned = all(step % VECTOR_BYTES == 0 for step in (address(array), *outer))
    return width if aligned and inner == array.dtype.itemsize and array.shape[-1] % width == 0 else 1


@functools.lru_cache(1024)
def _shape(kernel, width, written, steps, spatial, *, window, strides, padding):
    itemsize = kernel.signature.parameters[0].dtype.itemsize
    missing = _AXES - len(window)
    ones, zeros = [1] * missing, [0] * missing
    batch_step, *axis_steps, channel_step = (step // itemsize for step in steps)
    return kernel.struct(
        "shape",
        channels=written[-1] // width,
        written=[*ones, *written[1:-1]],
        size=[*ones, *spatial],
        pooled=[*ones, *_pooled(spatial, window, strides, padding)],
        window=[*ones, *window],
        low=[*zeros, *(low for low, _ in padding)],
        stride=[*ones, *strides],
        batch_step=batch_step,
        step=[*zeros, *axis_steps],
        channel_step=channel_step,
        wide=width > 1,
    )


def _hashable(window, strides, padding):
    return {"window": tuple(window), "strides": tuple(strides), "padding": tuple(map(tuple, padding))}


def _best(kernel, x, window, strides, padding, out, residuals):
    shape = _result_shape(x, window, strides, padding)
    result = target(out, x, shape)
    numbers = argmax_dtype(window)
    winner = empty(x, shape, numbers) if residuals else None
    name = kernel + _SUFFIX[numbers]
    _launch(name, x, (result, winner), result, x.shape[1:-1], **_hashable(window, strides, padding))
    return deliver(result, out), (winner,) if residuals else ()


@implements(prim.max_pool, where=_forward)
def max_pool(x, *, window, strides, padding, out=None, residuals=False):
    return _best("max_pool", x, window, strides, padding, out, residuals)


@implements(prim.min_pool, where=_forward)
def min_pool(x, *, window, strides, padding, out=None, residuals=False):
    return _best("min_pool", x, window, strides, padding, out, residuals)


@implements(prim.max_pool_grad, where=_backward)
def max_pool_grad(g, winner, *, spatial, window, strides, padding, out=None):
    dx = target(out, g, (g.shape[0], *spatial, g.shape[-1]))
    name = f"max_pool{_SUFFIX[winner.dtype]}_grad"
    _launch(name, g, (vector(winner), dx), dx, spatial, **_hashable(window, strides, padding))
    return deliver(dx, out)


@implements(prim.avg_pool, where=_forward)
def avg_pool(x, *, window, strides, padding, count_padding=False, out=None):
    result = target(out, x, _result_shape(x, window, strides, padding))
    geometry = _hashable(window, strides, padding)
    _launch("avg_pool", x, (result,), result, x.shape[1:-1], (int(count_padding),), **geometry)
    return deliver(result, out)


@implements(prim.avg_pool_grad, where=_backward)
def avg_pool_grad(g, *, spatial, window, strides, padding, count_padding=False, out=None):
    dx = target(out, g, (g.shape[0], *spatial, g.shape[-1]))
    geometry = _hashable(window, strides, padding)
    _launch("avg_pool_grad", g, (dx,), dx, spatial, (int(count_padding),), **geometry)
    return deliver(dx, out)
