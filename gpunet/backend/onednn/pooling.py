"""Max and average pooling, and their gradients.

oneDNN's workspace of a maximum is each window's winner as uint8 in the layout of the result, the first in scan order:
the residual that the other providers keep as well, so that any of them can run the backward.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet.backend.bound import declining, giving
from gpunet.backend.cpu.results import deliver, target
from gpunet.backend.onednn import onednn
from gpunet.backend.onednn.library import dims
from gpunet.backend.onednn.memory import channels_last
from gpunet.backend.onednn.order import is_ordered
from gpunet.backend.onednn.plan import DIFF_DST, DIFF_SRC, DST, SRC, WORKSPACE, Description, Plan, cached, is_plain
from gpunet.backend.primitives import pooling as prim
from gpunet.backend.primitives.conv import conv_output_shape

_TRAINING, _INFERENCE = 64, 96
_MAX, _AVERAGE_ALL, _AVERAGE = 0x1FF, 0x2FF, 0x3FF  # the last leaves padding out of the mean
_UINT8 = np.dtype(np.uint8)
_WORK = 8  # multiplications that take as long as one number of the images
_LARGEST_WINDOW = 256  # elements that a byte can number
_FEW_CHANNELS = 8  # below it oneDNN's backward of a maximum is slower than NumPy's where windows are disjoint


def _descriptions(x, y, window, strides, padding, algorithm) -> tuple[Description, Description]:
    """Forward and backward primitives."""
    low, high = zip(*padding)
    zeros = [0] * len(window)
    axes: list[Any] = [channels_last(x), channels_last(y), *map(dims, (strides, window, zeros, low, high))]
    forward = Description("pooling_forward", _TRAINING if algorithm == _MAX else _INFERENCE, algorithm, *axes)
    training = Description("pooling_forward", _TRAINING, algorithm, *axes)
    return forward, Description("pooling_backward", algorithm, *axes, training)


def _plan(direction, x, y, window, strides, padding, algorithm):
    """The thread's plan, or None for what is left to other providers."""
    if not 1 <= len(window) <= 3 or math.prod(window) > _LARGEST_WINDOW or 0 in x or 0 in y:
        return None
    if any(lo < 0 or hi < 0 or lo >= k or hi >= k for (lo, hi), k in zip(padding, window)):
        return None  # a window of nothing but padding, or a cropped image
    key = ("pooling", direction, x, y, window, strides, padding, algorithm)
    work = _WORK * math.prod(x)
    return cached(key, lambda: _make(direction, x, y, window, strides, padding, algorithm), work)


def _make(direction, x, y, window, strides, padding, algorithm):
    forward, backward = _descriptions(x, y, window, strides, padding, algorithm)
    workspace = (WORKSPACE,) if algorithm == _MAX else ()
    if direction == "forward":
        return Plan(forward, SRC, DST, *workspace)
    return Plan(backward, DIFF_DST, *workspace, DIFF_SRC)


def _output_shape(x, window, strides, padding):
    return (x.shape[0], *conv_output_shape(x.shape[1:-1], window, strides, padding, (1,) * len(window)), x.shape[-1])


@onednn.implements(prim.max_pool)
def max_pool(x, *, window, strides, padding, out=None, residuals=False):
    if x.dtype.char != "f":
        return NotImplemented
    shape = _output_shape(x, window, strides, padding)
    plan = _plan("forward", x.shape, shape, window, strides, padding, _MAX)
    if plan is None or not is_ordered(x := np.ascontiguousarray(x)):
        return NotImplemented
    y = target(shape, out)
    winner = np.empty(shape, _UINT8)
    plan(x, y, winner)
    return deliver(y, out), (winner,) if residuals else ()


def _is_better_scattered(g, window, strides) -> bool:
    """Whether the next providers' backward of a maximum is quicker."""
    return window == strides and g.shape[-1] < _FEW_CHANNELS


@onednn.implements(prim.max_pool_grad)
def max_pool_grad(g, winner, *, spatial, window, strides, padding, out=None):
    if g.dtype.char != "f" or winner.dtype is not _UINT8 or _is_better_scattered(g, window, strides):
        return NotImplemented
    shape = (g.shape[0], *spatial, g.shape[-1])
    plan = _plan("backward", shape, g.shape, window, strides, padding, _MAX)
    if plan is None:
        return NotImplemented
    dx = target(shape, out)
    plan(np.ascontiguousarray(g), np.ascontiguousarray(winner), dx)
    return deliver(dx, out)


@onednn.implements(prim.avg_pool)
def avg_pool(x, *, window, strides, padding, count_padding=False, out=None):
    if x.dtype.char != "f":
        return NotImplemented
    shape = _output_shape(x, window, strides, padding)
    plan = _plan("forward", x.shape, shape, window, strides, padding, _AVERAGE_ALL if count_padding else _AVERAGE)
    if plan is None:
        return NotImplemented
    y = target(shape, out)
    plan(np.ascontiguousarray(x), y)
    return deliver(y, out)


@onednn.implements(prim.avg_pool_grad)
def avg_pool_grad(g, *, spatial, window, strides, padding, count_padding=False, out=None):
    if g.dtype.char != "f":
        return NotImplemented
    shape = (g.shape[0], *spatial, g.shape[-1])
    plan = _plan("backward", shape, g.shape, window, strides, padding, _AVERAGE_ALL if count_padding else _AVERAGE)
    if plan is None:
        return NotImplemented
    dx = target(shape, out)
    plan(np.ascontiguousarray(g), dx)
    return deliver(dx, out)


@onednn.binds(prim.max_pool)
def bind_max_pool(x, *, window, strides, padding, out=None, residuals=False):
    if out is None or not is_plain(x, out):
        return None
    plan = _plan("forward", x.shape, out.shape, window, strides, padding, _MAX)
    if plan is None:
        return None
    winner = np.empty(out.shape, _UINT8)
    kept = (winner,) if residuals else ()
    compute = plan.bound(x, out, winner, result=(out, kept))
    return declining(giving(lambda: compute() if is_ordered(x) else NotImplemented, out, *kept))


@onednn.binds(prim.max_pool_grad)
def bind_max_pool_grad(g, winner, *, spatial, window, strides, padding, out=None):
    if _is_better_scattered(g, window, strides):
        return NotImplemented
    if out is None or not is_plain(g, out) or winner.dtype is not _UINT8 or not winner.flags.c_contiguous:
        return None
    plan = _plan("backward", out.shape, g.shape, window, strides, padding, _MAX)
    return None if plan is None else plan.bound(g, winner, out, result=out)


@onednn.binds(prim.avg_pool)
def bind_avg_pool(x, *, window, strides, padding, count_padding=False, out=None):
    return _bound_average("forward", x, out, x, out, window, strides, padding, count_padding)


@onednn.binds(prim.avg_pool_grad)
def bind_avg_pool_grad(g, *, spatial, window, strides, padding, count_padding=False, out=None):
    return _bound_average("backward", g, out, out, g, window, strides, padding, count_padding)


def _bound_average(direction, source, result, x, y, window, strides, padding, count_padding):
    if result is None or not is_plain(source, result):
        return None
    plan = _plan(direction, x.shape, y.shape, window, strides, padding, _AVERAGE_ALL if count_padding else _AVERAGE)
    return None if plan is None else plan.bound(source, result, result=result)
