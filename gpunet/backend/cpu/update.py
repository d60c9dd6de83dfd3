"""Optimizer updates on NumPy: in place, block by block, with work space that stays in cache."""

from __future__ import annotations

import functools

import numpy as np

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.scratch import scratch
from gpunet.backend.cpu.threads import split
from gpunet.backend.portable import update as portable
from gpunet.backend.portable.update import adam_rate, skips
from gpunet.backend.primitives import update as prim

_LONG = 1 << 18  # items that are worth several threads
# Items of a block: what five arrays take of a core's second cache; large where threads would meet at the GIL between.
_BLOCK, _LARGE_BLOCK = 1 << 17, 1 << 19


def _ready_in_blocks(function, *arrays):
    """A function that calls `function(work, *blocks, *numbers)` on equal ranges of flat arrays."""
    size, dtype = arrays[0].size, arrays[0].dtype

    def ranges(first, last, step):
        return [[a[start : min(last, start + step)] for a in arrays] for start in range(first, last, step)]

    def call(blocks, numbers):
        for block in blocks:
            function(scratch("work", block[0].shape, dtype), *block, *numbers)

    if size < _LONG:
        blocks = ranges(0, size, _BLOCK)
        return lambda *numbers: call(blocks, numbers)

    def run(*numbers):
        split(lambda first, last: call(ranges(first, last, _LARGE_BLOCK), numbers), size, size * dtype.itemsize)

    return run


def _in_blocks(function, *arrays):
    _ready_in_blocks(function, *arrays)()


def _decay(average, rate, work):
    """average = rate·average + work, overwriting nothing else."""
    np.multiply(average, rate, out=average)
    np.add(average, work, out=average)


@cpu.implements(prim.count_step)
def count_step(iterations, *, skip=None):
    portable.count_step(np, iterations, skip=skip)


@cpu.binds(prim.count_step)
def bind_count_step(iterations, *, skip=None):
    return None if skip is not None else functools.partial(np.add, iterations, np.ones_like(iterations), iterations)


@cpu.implements(prim.assign_add)
def assign_add(target, value):
    portable.assign_add(np, target, value)


@cpu.binds(prim.assign_add)
def bind_assign_add(target, value):
    value = value if isinstance(value, np.ndarray) else np.asarray(value, target.dtype)
    return functools.partial(np.add, target, value, target)


@cpu.implements(prim.sgd)
def sgd(p, g, learning_rate, *, skip=None):
    if skips(skip):
        return
    rate = float(learning_rate)

    def update(work, p, g):
        np.multiply(g, rate, out=work)
        np.subtract(p, work, out=p)

    _in_blocks(update, p, g)


@cpu.implements(prim.momentum)
def momentum(p, g, m, learning_rate, *, momentum, nesterov, skip=None):
    if skips(skip):
        return
    rate = float(learning_rate)

    def update(work, p, g, m):
        np.multiply(g, rate, out=work)
        np.multiply(m, momentum, out=m)
        np.subtract(m, work, out=m)
        if not nesterov:
            np.add(p, m, out=p)
            return
        np.subtract(p, work, out=p)
        np.multiply(m, momentum, out=work)
        np.add(p, work, out=p)

    _in_blocks(update, p, g, m)


@cpu.implements(prim.rmsprop)
def rmsprop(p, g, v, learning_rate, *, rho, epsilon, skip=None):
    if skips(skip):
        return
    rate = float(learning_rate)

    def update(work, p, g, v):
        np.multiply(g, g, out=work)
        np.multiply(work, 1 - rho, out=work)
        _decay(v, rho, work)
        np.add(v, epsilon, out=work)
        np.sqrt(work, out=work)
        np.divide(g, work, out=work)
        np.multiply(work, rate, out=work)
        np.subtract(p, work, out=p)

    _in_blocks(update, p, g, v)


def _ready_adam(p, g, m, v, beta_1, beta_2, epsilon):
    """A function of α that updates these arrays."""
    numbers = (beta_1, 1 - beta_1, beta_2, 1 - beta_2, epsilon)
    b1, c1, b2, c2, eps = (np.asarray(n, p.dtype) for n in numbers)  # which NumPy would convert in each call

    def update(work, p, g, m, v, rate):
        np.multiply(g, c1, work)
        np.multiply(m, b1, m)
        np.add(m, work, m)
        np.multiply(g, g, work)
        np.multiply(work, c2, work)
        np.multiply(v, b2, v)
        np.add(v, work, v)
        np.sqrt(v, work)
        np.add(work, eps, work)
        np.divide(m, work, work)
        np.multiply(work, rate, work)
        np.subtract(p, work, p)

    return _ready_in_blocks(update, p, g, m, v)


@cpu.implements(prim.adam)
def adam(p, g, m, v, learning_rate, iterations, *, beta_1, beta_2, epsilon, skip=None):
    if not skips(skip):
        _ready_adam(p, g, m, v, beta_1, beta_2, epsilon)(adam_rate(learning_rate, iterations, beta_1, beta_2))


@cpu.binds(prim.adam)
def bind_adam(p, g, m, v, learning_rate, iterations, *, beta_1, beta_2, epsilon, skip=None):
    if skip is not None:
        return None
    run = _ready_adam(p, g, m, v, beta_1, beta_2, epsilon)
    return lambda: run(adam_rate(learning_rate, iterations, beta_1, beta_2))
