"""Layer and RMS normalisation of contiguous rows, each read once. Their sums are not NumPy's, so sizes alone choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backend.bound import giving
from gpunet.backend.cpu.layer_norm import block_count, totals
from gpunet.backend.cpu.results import FLOAT32, deliver, target
from gpunet.backend.numba_cpu import numba, row_loops
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.numba_cpu.operands import are_flat, are_float32, flat, parameter
from gpunet.backend.primitives import nn as prim

_SMALL = 1 << 13  # numbers: below it a few calls into NumPy are nearly as quick
_M, _V, _SUMS = "float32[:, ::1]", "float32[::1]", "float32[:, :, ::1]"
_FORWARD = Loop(row_loops.layer_norm, f"void({_M}, {_V}, {_V}, {_M}, {_V}, {_V}, float32, intp, intp)")
_BACKWARD = Loop(row_loops.layer_norm_grad, f"void({_M}, {_M}, {_V}, {_V}, {_V}, {_M}, {_SUMS}, intp, intp, intp)")


def _suits(*arrays) -> bool:
    return arrays[0].size >= _SMALL and are_float32(*arrays)


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def _forward(x, gamma, beta, y, epsilon, centred) -> tuple[Callable[[], Any], tuple] | None:
    """A function that fills y, all of them contiguous, and the residuals that it fills as well."""
    shift, inverse = (np.empty((*x.shape[:-1], 1), FLOAT32) for _ in range(2))
    statistics = shift.reshape(-1), inverse.reshape(-1)
    parameters = parameter(gamma, x, 1), parameter(beta, x, 0)
    run = _FORWARD.fixed(x.size, _rows(x), *parameters, _rows(y), *statistics, epsilon, int(centred))
    return None if run is None else (run, (shift, inverse) if centred else (inverse,))


@numba.implements(prim.layer_norm)
def layer_norm(x, gamma, beta, *, epsilon, centred, out=None, residuals=False):
    if not _suits(x, gamma, beta):
        return NotImplemented
    y = target(x.shape, out)
    ready = _forward(*flat(x, gamma, beta), y, epsilon, centred)
    if ready is None:
        return NotImplemented
    run, kept = ready
    run()
    return deliver(y, out), kept if residuals else ()


@numba.binds(prim.layer_norm)
def bind_layer_norm(x, gamma, beta, *, epsilon, centred, out=None, residuals=False):
    if not _suits(x, gamma, beta):
        return NotImplemented
    if out is None or not are_flat(x, gamma, beta, out):
        return None
    ready = _forward(x, gamma, beta, out, epsilon, centred)
    if ready is None:
        return NotImplemented
    run, kept = ready
    return giving(run, out, *kept) if residuals else giving(run, out)


def _backward(g, x, gamma, statistics, dx, centred) -> tuple[Callable[[], Any], np.ndarray] | None:
    """A function that fills dx, all of them contiguous, and the sums of blocks that it fills as well."""
    inverse = statistics[-1].reshape(-1)
    shift = statistics[0].reshape(-1)  # not read where there is none
    count, rows = block_count(_rows(x))
    sums = np.empty((count, 2, x.shape[-1]), FLOAT32)
    arrays = (_rows(g), _rows(x), parameter(gamma, x, 1), shift, inverse, _rows(dx), sums)
    run = _BACKWARD.fixed(x.size, *arrays, rows, int(centred))
    return None if run is None else (run, sums)


@numba.implements(prim.layer_norm_grad)
def layer_norm_grad(g, x, gamma, *statistics, centred, parameters, out=None):
    if not _suits(x, g, gamma):
        return NotImplemented
    dx = target(x.shape, out)
    g, x, gamma = flat(g, x, gamma)
    ready = _backward(g, x, gamma, statistics, dx, centred)
    if ready is None:
        return NotImplemented
    run, sums = ready
    run()
    return deliver(dx, out), *totals(sums, parameters)


@numba.binds(prim.layer_norm_grad)
def bind_layer_norm_grad(g, x, gamma, *statistics, centred, parameters, out=None):
    if not _suits(x, g, gamma):
        return NotImplemented
    if out is None or not are_flat(g, x, gamma, *statistics, out):
        return None
    ready = _backward(g, x, gamma, statistics, out, centred)
    if ready is None:
        return NotImplemented
    differentiate, sums = ready
    gradients = np.empty((parameters, x.shape[-1]), FLOAT32)
    found = out, *gradients

    def run():
        differentiate()
        for gradient, total in zip(gradients, totals(sums, parameters)):
            np.copyto(gradient, total)
        return found

    return giving(run, *found)
