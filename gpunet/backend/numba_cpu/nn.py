"""Batch normalisation, alone and ended by an addition and a ReLU, in two passes over the data forward and backward.

Sums are taken in blocks of rows in float32, then in float64; the blocks depend on the shape alone. A call is made ready
on contiguous arrays and then run, once or as often as a recorded step is replayed. The ReLU's backward is left to a
loop of its own: the two that follow were not quicker with it inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backend.bound import declining, giving
from gpunet.backend.cpu.batch_norm import widened
from gpunet.backend.cpu.results import FLOAT32, deliver, target
from gpunet.backend.cpu.scratch import scratch
from gpunet.backend.memory import empty
from gpunet.backend.numba_cpu import loops, numba
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.numba_cpu.elementwise import RELU_GRAD
from gpunet.backend.numba_cpu.operands import are_flat, are_float32, flat, parameter
from gpunet.backend.primitives import nn as prim

_SMALL = 1 << 17  # items: below it compiling would take longer than it saves in most programs
_SMALL_MAP = 1 << 13  # items: below it a few calls into NumPy are as quick
_TINY_MAP = 1 << 10  # the same for a bound call
_LARGE_BYTES = 1 << 22  # of a second large result: better made anew in each replay than held all the time
_BLOCK_ITEMS = 1 << 15  # of a block of rows that is summed in float32

_M, _V, _SUMS, _TOTALS = "float32[:, ::1]", "float32[::1]", "float32[:, :, ::1]", "float64[:, ::1]"


def _loop(function, *types: str) -> Loop:
    return Loop(function, f"void({', '.join(types)}, intp)")


_MOMENTS = _loop(loops.moments, _M, _V, _SUMS, "intp")
_PRODUCTS = _loop(loops.products, _M, _M, _V, _SUMS, "intp")
_FOLD = _loop(loops.fold, _SUMS, _TOTALS, _TOTALS)
_STATISTICS = _loop(loops.statistics, _TOTALS, "intp", "float32", *[_V] * 3, _M, _M)
_SLOPES = _loop(loops.slopes, _TOTALS, "intp", *[_V] * 3, _M, _M)
_NORMALISE = _loop(loops.normalise, *[_M] * 3, "intp")
_NORMALISE_ADD_RELU = _loop(loops.normalise_add_relu, *[_M] * 4)
_COMBINE = _loop(loops.combine, *[_M] * 4)


def _suits(*arrays) -> bool:
    return arrays[0].size >= _SMALL and are_float32(*arrays)


def _wide(x):
    """x as a matrix with rows of many pixels, and work space of so many rows for each channel's numbers, by pixel."""
    wide = widened(x)[0]
    return wide, lambda count: np.empty((count, wide.shape[1] // x.shape[-1], x.shape[-1]), np.float32)


def _codes(items, *loops):
    """The compiled loops, those over all items and then `fold` and one over channels; None where Numba fails."""
    codes = [*(loop.now(items) for loop in loops[:-1]), _FOLD.now(), loops[-1].now()]
    return None if None in codes else codes


def _sums(wide, channels):
    """Storage for two sums of each block of rows, of all blocks, and of each channel; the rows of a block."""
    rows = max(1, _BLOCK_ITEMS // wide.shape[1])
    shape = (-(-wide.shape[0] // rows), 2, wide.shape[1])
    return scratch("batch norm", shape, FLOAT32), np.empty((2, wide.shape[1])), np.empty((2, channels)), rows


# (a function that fills the results, the results)
Ready = tuple[Callable[[], Any], Any]


def _forward(x, gamma, beta, addend, y, relu, epsilon) -> Ready | None:
    """y of contiguous arrays, and a matrix with the rows mean, biased variance and 1 / √(variance + epsilon)."""
    last = _NORMALISE if addend is None else _NORMALISE_ADD_RELU
    if (codes := _codes(x.size, _MOMENTS, last, _STATISTICS)) is None:
        return None
    moments, normalise, fold, statistics = codes
    (wide, work), channels = _wide(x), x.shape[-1]
    first, pivot, factors = wide[0, :channels], work(1), work(3)
    row, rows_of_factors = pivot.reshape(-1), factors.reshape(3, -1)
    sums, row_totals, totals, rows = _sums(wide, channels)
    gamma, beta = parameter(gamma, x, 1), parameter(beta, x, 0)
    found = np.empty((3, channels), np.float32)
    arrays = [a.reshape(wide.shape) for a in (addend, y) if a is not None]
    options = (relu,) if addend is None else ()

    def run():
        pivot[:] = first  # near the mean of its channel, so that squares lose no digits
        moments(wide, row, sums, rows)
        fold(sums, row_totals, totals)
        statistics(totals, wide.size // channels, epsilon, first, gamma, beta, found, rows_of_factors)
        normalise(wide, *arrays, rows_of_factors, *options)

    return run, found


def _compute_forward(x, gamma, beta, addend, relu, epsilon, out, residuals):
    if not _suits(x, gamma, beta, addend):
        return NotImplemented
    y = target(x.shape, out)
    ready = _forward(*flat(x, gamma, beta, addend), y, relu, epsilon)
    if ready is None:
        return NotImplemented
    run, (mean, variance, inverse) = ready
    run()
    y = deliver(y, out)
    return (y, mean, variance), (mean, inverse, *((y,) if relu else ())) if residuals else ()


def _bind_forward(x, gamma, beta, addend, relu, epsilon, out, residuals):
    if not _suits(x, gamma, beta, addend):
        return NotImplemented
    if out is None or not are_flat(x, gamma, beta, addend, out):
        return None
    ready = _forward(x, gamma, beta, addend, out, relu, epsilon)
    if ready is None:
        return NotImplemented
    run, (mean, variance, inverse) = ready
    kept = (mean, inverse, *((out,) if relu else ())) if residuals else ()
    return giving(run, out, mean, variance, *kept)


@numba.implements(prim.batch_norm)
def batch_norm(x, gamma, beta, *, epsilon, out=None, residuals=False):
    return _compute_forward(x, gamma, beta, None, False, epsilon, out, residuals)


@numba.binds(prim.batch_norm)
def bind_batch_norm(x, gamma, beta, *, epsilon, out=None, residuals=False):
    return _bind_forward(x, gamma, beta, None, False, epsilon, out, residuals)


@numba.implements(prim.batch_norm_relu)
def batch_norm_relu(x, gamma, beta, addend, *, epsilon, out=None, residuals=False):
    return _compute_forward(x, gamma, beta, addend, True, epsilon, out, residuals)


@numba.binds(prim.batch_norm_relu)
def bind_batch_norm_relu(x, gamma, beta, addend, *, epsilon, out=None, residuals=False):
    return _bind_forward(x, gamma, beta, addend, True, epsilon, out, residuals)


def _backward(g, x, gamma, mean, inverse, dx) -> Ready | None:
    """dx of contiguous arrays, and a matrix with the gradients of gamma and of beta."""
    if (codes := _codes(x.size, _PRODUCTS, _COMBINE, _SLOPES)) is None:
        return None
    products, combine, fold, slopes = codes
    (wide, work), channels = _wide(x), x.shape[-1]
    wide_g, wide_dx = g.reshape(wide.shape), dx.reshape(wide.shape)
    means, factors = work(1), work(4).reshape(4, -1)
    row = means.reshape(-1)
    sums, row_totals, totals, rows = _sums(wide, channels)
    gamma, gradients = parameter(gamma, x, 1), np.empty((2, channels), np.float32)

    def run():
        means[:] = mean
        products(wide_g, wide, row, sums, rows)
        fold(sums, row_totals, totals)
        slopes(totals, wide.size // channels, mean, inverse, gamma, gradients, factors)
        combine(wide_g, wide, wide_dx, factors)

    return run, gradients


@numba.implements(prim.batch_norm_grad)
def batch_norm_grad(g, x, gamma, mean, inverse, *, epsilon, out=None):
    if not _suits(x, g, gamma):
        return NotImplemented
    dx = target(x.shape, out)
    g, x, gamma = flat(g, x, gamma)
    ready = _backward(g, x, gamma, mean, inverse, dx)
    if ready is None:
        return NotImplemented
    run, gradients = ready
    run()
    return deliver(dx, out), *gradients


@numba.binds(prim.batch_norm_grad)
def bind_batch_norm_grad(g, x, gamma, mean, inverse, *, epsilon, out=None):
    if not _suits(x, g, gamma):
        return NotImplemented
    if out is None or not are_flat(g, x, gamma, mean, inverse, out):
        return None
    ready = _backward(g, x, gamma, mean, inverse, out)
    return NotImplemented if ready is None else giving(ready[0], out, *ready[1])


def _backward_of_relu(g, y, x, gamma, mean, inverse, through, dx) -> Ready | None:
    """`_backward` of g where y > 0 and 0 elsewhere, which is stored in `through`."""
    ready, relu_grad = _backward(through, x, gamma, mean, inverse, dx), RELU_GRAD.now(x.size)
    if ready is None or relu_grad is None:
        return None
    (rest, gradients), flat = ready, [a.reshape(-1) for a in (g, y, through)]

    def run():
        relu_grad(*flat)
        rest()

    return run, gradients


@numba.implements(prim.batch_norm_relu_grad)
def batch_norm_relu_grad(g, x, gamma, mean, inverse, y, *, epsilon, with_addend, out=None):
    if not _suits(x, g, gamma, y):
        return NotImplemented
    dx, through = target(x.shape, out), empty(x.shape, FLOAT32)
    g, y, x, gamma = flat(g, y, x, gamma)
    ready = _backward_of_relu(g, y, x, gamma, mean, inverse, through, dx)
    if ready is None:
        return NotImplemented
    run, gradients = ready
    run()
    return deliver(dx, out), *gradients, *((through,) if with_addend else ())


@numba.binds(prim.batch_norm_relu_grad)
def bind_batch_norm_relu_grad(g, x, gamma, mean, inverse, y, *, epsilon, with_addend, out=None):
    if not _suits(x, g, gamma, y):
        return NotImplemented
    if out is None or not are_flat(g, x, gamma, mean, inverse, y, out):
        return None
    if with_addend and g.nbytes > _LARGE_BYTES:
        return None
    through = empty(x.shape, FLOAT32) if with_addend else scratch("through relu", x.shape, FLOAT32)
    ready = _backward_of_relu(g, y, x, gamma, mean, inverse, through, out)
    if ready is None:
        return NotImplemented
    run, gradients = ready
    return giving(run, out, *gradients, *((through,) if with_addend else ()))


def _map(x, scale, shift, addend, relu, y) -> Callable[[], bool]:
    """A function that computes y of contiguous arrays, and says whether it could; an addend is followed by a ReLU."""
    loop = _NORMALISE if addend is None else _NORMALISE_ADD_RELU
    wide, work = _wide(x)
    factors = work(3)
    factors[0] = 0
    rows = factors.reshape(3, -1)
    arrays = [a.reshape(wide.shape) for a in (addend, y) if a is not None]
    call = loop.bound(x.size, wide, *arrays, rows, *((relu,) if addend is None else ()), result=True)

    def run():
        factors[1], factors[2] = scale, shift
        return call() is True

    return run


def _apply_map(x, scale, shift, addend, relu, out):
    """In the numpy provider's bits, and so, unlike the others, whenever the loops are ready."""
    if x.size < _SMALL_MAP or not are_float32(x, scale, shift, addend):
        return NotImplemented
    y = target(x.shape, out)
    x, addend = flat(x, addend)
    return deliver(y, out) if _map(x, scale, shift, addend, relu, y)() else NotImplemented


def _bind_map(x, scale, shift, addend, relu, out):
    if out is None or x.size < _TINY_MAP or not are_flat(x, scale, shift, addend, out):
        return NotImplemented
    compute = _map(x, scale, shift, addend, relu, out)
    return declining(lambda: out if compute() else NotImplemented)


@numba.implements(prim.scale_shift)
def scale_shift(x, scale, shift, *, out=None):
    return _apply_map(x, scale, shift, None, False, out)


@numba.binds(prim.scale_shift)
def bind_scale_shift(x, scale, shift, *, out=None):
    return _bind_map(x, scale, shift, None, False, out)


@numba.implements(prim.scale_shift_relu)
def scale_shift_relu(x, scale, shift, addend, *, out=None):
    return _apply_map(x, scale, shift, addend, True, out)


@numba.binds(prim.scale_shift_relu)
def bind_scale_shift_relu(x, scale, shift, addend, *, out=None):
    return _bind_map(x, scale, shift, addend, True, out)
