"""Random primitives, drawn on the host and moved to the array's device."""

from __future__ import annotations

import math

from gpunet.backend import philox
from gpunet.backend.portable import portable
from gpunet.backend.portable.elementwise import _into
from gpunet.backend.primitives import random as prim


def _key(state):
    return int(state[0]), int(state[1])


def draw(words, state, shape, *dtype):
    """`words(seed, stream, count)` for the state's key, in `shape`."""
    return words(*_key(state), math.prod(shape), *dtype).reshape(shape)


@portable.implements(prim.random_bits)
def random_bits(xp, state, *, shape, out=None):
    return _into(xp, xp.asarray(draw(philox.words32, state, shape)), out)


@portable.implements(prim.random_uniform)
def random_uniform(xp, state, *, shape, dtype, out=None):
    values = draw(philox.uniform, state, shape, dtype).astype(dtype, copy=False)
    return _into(xp, xp.asarray(values), out)


@portable.implements(prim.random_normal)
def random_normal(xp, state, *, shape, dtype, truncated=False, out=None):
    values = draw(philox.normal, state, shape, dtype, truncated).astype(dtype, copy=False)
    return _into(xp, xp.asarray(values), out)


def keep_mask(state, shape, rate):
    """True where an element survives dropout, on the host."""
    return draw(philox.words16, state, shape) >= round(rate * 65536)


@portable.implements(prim.dropout)
def dropout(xp, x, state, *, rate, out=None, residuals=False):
    mask = xp.asarray(keep_mask(state, x.shape, rate))
    out = xp.multiply(x, mask, out=out)
    xp.multiply(out, 1 / (1 - rate), out=out)
    return out, (mask,) if residuals else ()


@portable.implements(prim.dropout_grad)
def dropout_grad(xp, g, mask, *, rate, out=None):
    out = xp.multiply(g, mask, out=out)
    return xp.multiply(out, 1 / (1 - rate), out=out)


@portable.implements(prim.next_state)
def next_state(xp, state, *, out=None):
    current = _into(xp, state.copy(), out)
    state[1:] += state.dtype.type(1)
    return current
