"""Batch normalisation, alone and ended by an addition and a ReLU, in two passes over the data forward and backward.

Sums are taken in blocks of rows in float32, then in float64; the blocks depend on the shape alone.
"""

from __future__ import annotations

import numpy as np

from gpunet.backend.cpu.nn import widened
from gpunet.backend.cpu.results import FLOAT32, deliver, target
from gpunet.backend.memory import empty
from gpunet.backend.numba_cpu import loops, numba
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.primitives import nn as prim

_SMALL = 1 << 17  # items: below it compiling would take longer than it saves in most programs
_SMALL_MAP = 1 << 13  # items: below it a few calls into NumPy are as quick
_BLOCK_ITEMS = 1 << 15  # of a block of rows that is summed in float32

_M, _V, _SUMS, _TOTALS = "float32[:, ::1]", "float32[::1]", "float32[:, :, ::1]", "float64[:, ::1]"


def _loop(function, *types: str) -> Loop:
    return Loop(function, f"void({', '.join(types)}, intp)")


_MOMENTS = _loop(loops.moments, _M, _V, _SUMS, "intp")
_PRODUCTS = _loop(loops.products, _M, _M, _V, _SUMS, "intp")
_RELU_PRODUCTS = _loop(loops.relu_products, *[_M] * 3, _V, _M, _SUMS, "intp")
_RECTIFIED_PRODUCTS = _loop(loops.rectified_products, *[_M] * 3, _SUMS, "intp")
_FOLD = _loop(loops.fold, _SUMS, _TOTALS, _TOTALS)
_STATISTICS = _loop(loops.statistics, _TOTALS, "intp", "float32", *[_V] * 3, _M, _M)
_SLOPES = _loop(loops.slopes, _TOTALS, "intp", *[_V] * 3, _M, _M)
_NORMALISE = _loop(loops.normalise, *[_M] * 3, "intp")
_NORMALISE_ADD_RELU = _loop(loops.normalise_add_relu, *[_M] * 4)
_COMBINE = _loop(loops.combine, *[_M] * 4)
_RECTIFIED_COMBINE = _loop(loops.rectified_combine, *[_M] * 4, _V)


def _suits(*arrays) -> bool:
    return arrays[0].size >= _SMALL and all(a.dtype.char == "f" for a in arrays if a is not None)


def _wide(x):
    return widened(np.ascontiguousarray(x))[0]


def _codes(items, *loops):
    """The compiled loops, those over all items and then `fold` and one over channels; None where Numba fails."""
    codes = [*(loop.now(items) for loop in loops[:-1]), _FOLD.now(), loops[-1].now()]
    return None if None in codes else codes


def _parameter(vector, x, missing):
    return np.full(x.shape[-1], missing, np.float32) if vector is None else np.ascontiguousarray(vector)


def _sums(wide, count=2):
    """Storage for two sums, or more, of each block of rows, and the rows of a block."""
    rows = max(1, _BLOCK_ITEMS // wide.shape[1])
    return np.empty((-(-wide.shape[0] // rows), count, wide.shape[1]), np.float32), rows


def _totals(fold, sums, channels):
    wide, totals = np.empty((2, sums.shape[2])), np.empty((2, channels))
    fold(sums, wide, totals)
    return totals


@numba.implements(prim.batch_norm)
def batch_norm(x, gamma, beta, *, epsilon, out=None, residuals=False):
    if not _suits(x, gamma, beta) or (codes := _codes(x.size, _MOMENTS, _NORMALISE, _STATISTICS)) is None:
        return NotImplemented
    return _forward(codes, x, gamma, beta, (), epsilon, out, (False,), residuals)


@numba.implements(prim.batch_norm_relu)
def batch_norm_relu(x, gamma, beta, addend, *, epsilon, out=None, residuals=False):
    last = _NORMALISE if addend is None else _NORMALISE_ADD_RELU
    if not _suits(x, gamma, beta, addend) or (codes := _codes(x.size, _MOMENTS, last, _STATISTICS)) is None:
        return NotImplemented
    addends, options = ((), (True,)) if addend is None else ((addend,), ())
    (y, *statistics), kept = _forward(codes, x, gamma, beta, addends, epsilon, out, options, residuals)
    return (y, *statistics), (*kept, y) if residuals else ()


def _forward(codes, x, gamma, beta, addends, epsilon, out, options, residuals):
    moments, normalise, fold, statistics = codes
    wide, channels = _wide(x), x.shape[-1]
    y = target(x.shape, out)
    pivot = wide[0, :channels].copy()  # near the mean of its channel, so that squares lose no digits
    sums, rows = _sums(wide)
    moments(wide, np.tile(pivot, wide.shape[1] // channels), sums, rows)
    totals, found = _totals(fold, sums, channels), np.empty((3, channels), np.float32)
    parameters = _parameter(gamma, x, 1), _parameter(beta, x, 0)
    factors = np.empty((3, wide.shape[1]), np.float32)
    statistics(totals, x.size // channels, epsilon, pivot, *parameters, found, factors)
    addends = [np.ascontiguousarray(a).reshape(wide.shape) for a in addends]
    normalise(wide, *addends, y.reshape(wide.shape), factors, *options)
    mean, variance, inverse = found
    return (deliver(y, out), mean, variance), (mean, inverse) if residuals else ()


@numba.implements(prim.scale_shift_relu)
def scale_shift_relu(x, scale, shift, addend, *, out=None):
    """In the numpy provider's bits, and so, unlike the others, whenever the loops are ready."""
    if x.size < _SMALL_MAP or not all(a is None or a.dtype.char == "f" for a in (x, scale, shift, addend)):
        return NotImplemented
    code = (_NORMALISE if addend is None else _NORMALISE_ADD_RELU).when_ready(x.size)
    if code is None:
        return NotImplemented
    wide, channels = _wide(x), x.shape[-1]
    y = target(x.shape, out)
    factors = np.zeros((3, wide.shape[1] // channels, channels), np.float32)
    factors[1], factors[2] = scale, shift
    last = (True,) if addend is None else ()
    addends = () if addend is None else (np.ascontiguousarray(addend).reshape(wide.shape),)
    code(wide, *addends, y.reshape(wide.shape), factors.reshape(3, -1), *last)
    return deliver(y, out)


@numba.implements(prim.batch_norm_grad)
def batch_norm_grad(g, x, gamma, mean, inverse, *, epsilon, out=None):
    if not _suits(x, g, gamma) or (codes := _codes(x.size, _PRODUCTS, _COMBINE, _SLOPES)) is None:
        return NotImplemented
    wide = _wide(x)
    dx = target(x.shape, out)
    g = np.ascontiguousarray(g).reshape(wide.shape)
    sums, rows = _sums(wide)
    codes[0](g, wide, np.tile(mean, wide.shape[1] // x.shape[-1]), sums, rows)
    gradients, factors = _factors(codes, sums, x, mean, inverse, gamma)
    codes[1](g, wide, dx.reshape(wide.shape), factors)
    return deliver(dx, out), *gradients


@numba.implements(prim.batch_norm_relu_grad)
def batch_norm_relu_grad(g, x, gamma, beta, mean, inverse, y, *, epsilon, with_addend, out=None):
    if not _suits(x, g, gamma, beta):
        return NotImplemented
    parameters = x, gamma, mean, inverse
    return _with_addend(g, y, *parameters, out) if with_addend else _without_addend(g, beta, *parameters, out)


def _with_addend(g, y, x, gamma, mean, inverse, out):
    if (codes := _codes(x.size, _RELU_PRODUCTS, _COMBINE, _SLOPES)) is None:
        return NotImplemented
    wide = _wide(x)
    dx, through = target(x.shape, out), empty(x.shape, FLOAT32)
    g, y, kept = (np.ascontiguousarray(a).reshape(wide.shape) for a in (g, y, through))
    sums, rows = _sums(wide)
    codes[0](g, y, wide, np.tile(mean, wide.shape[1] // x.shape[-1]), kept, sums, rows)
    gradients, factors = _factors(codes, sums, x, mean, inverse, gamma)
    codes[1](kept, wide, dx.reshape(wide.shape), factors)
    return deliver(dx, out), *gradients, through


def _without_addend(g, beta, x, gamma, mean, inverse, out):
    if (codes := _codes(x.size, _RECTIFIED_PRODUCTS, _RECTIFIED_COMBINE, _SLOPES)) is None:
        return NotImplemented
    wide = _wide(x)
    dx, g = target(x.shape, out), np.ascontiguousarray(g).reshape(wide.shape)
    scale = inverse if gamma is None else inverse * gamma
    normal = np.tile(np.stack([mean, scale, _parameter(beta, x, 0)]), wide.shape[1] // x.shape[-1])
    sums, rows = _sums(wide, count=3)
    codes[0](g, wide, normal, sums, rows)
    gradients, factors = _factors(codes, sums, x, mean, inverse, gamma)
    codes[1](g, wide, dx.reshape(wide.shape), factors, normal[2])
    return deliver(dx, out), *gradients


def _factors(codes, sums, x, mean, inverse, gamma):
    """The gradients of gamma and beta, and the rows for `combine`."""
    *_, fold, slopes = codes
    totals, gradients = _totals(fold, sums, x.shape[-1]), np.empty((2, x.shape[-1]), np.float32)
    factors = np.empty((4, sums.shape[2]), np.float32)
    count = x.size // x.shape[-1]
    slopes(totals, count, mean, inverse, _parameter(gamma, x, 1), gradients, factors)
    return gradients, factors
