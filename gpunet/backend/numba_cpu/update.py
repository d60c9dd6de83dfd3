"""Optimizer updates in one pass over the arena, equal in every bit to the numpy provider's."""

from __future__ import annotations

import functools

import numpy as np

from gpunet.backend.cpu.results import is_flat
from gpunet.backend.numba_cpu import loops, numba
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.portable.update import adam_rate, skips
from gpunet.backend.primitives import update as prim


def _loop(function, arrays: int, scalars: int) -> Loop:
    types = ["float32[::1]"] * arrays + ["float32"] * scalars + ["intp"]
    return Loop(function, f"void({', '.join(types)})", call_saving=5000.0)


_SGD = _loop(loops.sgd, 2, 1)
_MOMENTUM = _loop(loops.momentum, 3, 2)
_NESTEROV = _loop(loops.nesterov, 3, 2)
_RMSPROP = _loop(loops.rmsprop, 3, 4)
_ADAM = _loop(loops.adam, 4, 6)


def _run(loop: Loop, arrays, scalars, skip):
    """Run the loop over flat float32 arrays, or NotImplemented for others and before it is ready."""
    if skips(skip):
        return None
    for a in arrays:
        if a.dtype.char != "f" or a.ndim != 1 or not a.flags.c_contiguous:
            return NotImplemented
    size = arrays[0].size
    code = loop.when_ready(size)
    if code is None:
        return NotImplemented
    code(*arrays, *map(np.float32, scalars))
    return None


def _bound(loop: Loop, arrays, rate, scalars, skip):
    """What `_run` does on these very arrays; `rate()` is the first scalar at each call."""
    if skip is not None or not all(is_flat(a) and a.ndim == 1 for a in arrays):
        return None
    return loop.bound(arrays[0].size, *arrays, 0.0, *scalars, first=rate)


@numba.implements(prim.sgd)
def sgd(p, g, learning_rate, *, skip=None):
    return _run(_SGD, (p, g), (learning_rate,), skip)


@numba.binds(prim.sgd)
def bind_sgd(p, g, learning_rate, *, skip=None):
    return _bound(_SGD, (p, g), functools.partial(float, learning_rate), (), skip)


@numba.implements(prim.momentum)
def momentum(p, g, m, learning_rate, *, momentum, nesterov, skip=None):
    return _run(_NESTEROV if nesterov else _MOMENTUM, (p, g, m), (learning_rate, momentum), skip)


@numba.binds(prim.momentum)
def bind_momentum(p, g, m, learning_rate, *, momentum, nesterov, skip=None):
    return _bound(
        _NESTEROV if nesterov else _MOMENTUM, (p, g, m), functools.partial(float, learning_rate), (momentum,), skip
    )


@numba.implements(prim.rmsprop)
def rmsprop(p, g, v, learning_rate, *, rho, epsilon, skip=None):
    return _run(_RMSPROP, (p, g, v), (learning_rate, rho, 1 - rho, epsilon), skip)


@numba.binds(prim.rmsprop)
def bind_rmsprop(p, g, v, learning_rate, *, rho, epsilon, skip=None):
    return _bound(_RMSPROP, (p, g, v), functools.partial(float, learning_rate), (rho, 1 - rho, epsilon), skip)


@numba.implements(prim.adam)
def adam(p, g, m, v, learning_rate, iterations, *, beta_1, beta_2, epsilon, skip=None):
    rate = adam_rate(learning_rate, iterations, beta_1, beta_2)
    return _run(_ADAM, (p, g, m, v), (rate, beta_1, 1 - beta_1, beta_2, 1 - beta_2, epsilon), skip)


@numba.binds(prim.adam)
def bind_adam(p, g, m, v, learning_rate, iterations, *, beta_1, beta_2, epsilon, skip=None):
    rate = functools.partial(adam_rate, learning_rate, iterations, beta_1, beta_2)
    return _bound(_ADAM, (p, g, m, v), rate, (beta_1, 1 - beta_1, beta_2, 1 - beta_2, epsilon), skip)
