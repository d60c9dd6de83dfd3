"""Random numbers and dropout, with NumPy's bits; the state is read on the device."""

from __future__ import annotations

import math

import numpy as np

from gpunet.backend.cuda.arrays import contiguous, deliver, empty, flat_grid, implements, target, vector
from gpunet.backend.cuda.launcher import Family
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.dtypes import FLOAT32
from gpunet.backend.primitives import random as prim

RANDOM = Family("random.cu", TYPE=("float", "double", "float16"))
_DTYPES = {np.dtype(name) for name in ("float32", "float64", "float16")}
_UINT32 = np.dtype("uint32")
_BLOCK_BYTES = 32  # what one thread makes
_DECISIONS = 16  # of dropout, likewise


def _is_state(state):
    return state.dtype == _UINT32 and state.shape == (2,)


def _can_draw(state, *, shape, dtype=FLOAT32, **_):
    return _is_state(state) and dtype in _DTYPES and math.prod(shape) > 0


def _draw(kernel, state, shape, dtype, out, *options):
    result = target(out, state, shape, dtype)
    threads = -(-result.size * max(dtype.itemsize, 4) // _BLOCK_BYTES)
    kernel(flat_grid(state, threads, kernel.threads), contiguous(state), result, result.size, *options)
    return deliver(result, out)


@implements(prim.random_bits, where=_can_draw)
def random_bits(state, *, shape, out=None):
    return _draw(RANDOM(TYPE="float")["random_bits"], state, shape, _UINT32, out)


@implements(prim.random_uniform, where=_can_draw)
def random_uniform(state, *, shape, dtype, out=None):
    return _draw(RANDOM(TYPE=C_TYPES[dtype])["random_uniform"], state, shape, dtype, out)


@implements(prim.random_normal, where=_can_draw)
def random_normal(state, *, shape, dtype, truncated=False, out=None):
    return _draw(RANDOM(TYPE=C_TYPES[dtype])["random_normal"], state, shape, dtype, out, int(truncated))


def _can_drop(x, state, **_):
    return x.dtype in _DTYPES and x.size > 0 and _is_state(state)


def _dropout(x, state, rate, out, state_copy):
    kernel = RANDOM(TYPE=C_TYPES[x.dtype])["dropout"]
    result = target(out, x, x.shape)
    warps = -(-x.size // (32 * _DECISIONS))
    scale = float(x.dtype.type(1 / (1 - rate)))
    operands = vector(x), contiguous(state), result, state_copy
    kernel(flat_grid(x, 32 * warps, kernel.threads), *operands, x.size, round(rate * 65536), scale)
    return deliver(result, out)


@implements(prim.dropout, where=_can_drop)
def dropout(x, state, *, rate, out=None, residuals=False):
    """The residual is the state, copied: the backward makes the mask again."""
    state_copy = empty(state, (2,)) if residuals else None
    return _dropout(x, state, rate, out, state_copy), (state_copy,) if residuals else ()


@implements(prim.dropout_grad, where=_can_drop)
def dropout_grad(g, state, *, rate, out=None):
    return _dropout(g, state, rate, out, None)


@implements(prim.next_state, where=_is_state)
def next_state(state, *, out=None):
    result = target(out, state, (2,), alignment=_UINT32.itemsize)
    RANDOM(TYPE="float")["next_state"](1, state, result)
    return deliver(result, out)
