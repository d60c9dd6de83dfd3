"""Max, min and average pooling in any number of dimensions."""

from __future__ import annotations

import itertools
from typing import Any

from gpunet.autograd.apply import apply
from gpunet.autograd.fused import fused_gradient
from gpunet.autograd.tape import Gradient
from gpunet.backend.primitives import pooling as prim
from gpunet.backend.primitives.conv import conv_output_shape
from gpunet.config import standardize_data_format
from gpunet.ops.conv import channels_last, per_axis, resolve_padding, restore_format
from gpunet.ops.indexing import getitem, take_along_axis
from gpunet.ops.joining import pad, stack
from gpunet.ops.operands import float_operand, operand
from gpunet.ops.reduction import argmax, argmin
from gpunet.ops.views import expand_dims, squeeze
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def max_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: Any = "valid", data_format: str | None = None
) -> Any:
    """The largest element of each window; the first of equal ones gets the gradient.

    Args:
        inputs: (batch, *spatial, channels), or (batch, channels, *spatial) for "channels_first".
        pool_size, strides: an int or one per spatial axis; `strides` is `pool_size` where None.
        padding: "valid", "same", an int, or ints or (low, high) pairs per spatial axis. Padding never wins.

    Raises:
        ValueError: if the rank is below 3, or an argument does not fit it.
    """
    return _pool(prim.max_pool, operand(inputs), pool_size, strides, padding, data_format)


@symbolic_op
def min_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: Any = "valid", data_format: str | None = None
) -> Any:
    """The smallest element of each window; arguments and gradient as in `max_pool`. Keras has no such function."""
    return _pool(prim.min_pool, operand(inputs), pool_size, strides, padding, data_format)


@symbolic_op
def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: Any = "valid", data_format: str | None = None
) -> Any:
    """The mean of each window's elements, padding not counted; arguments as in `max_pool`."""
    return _pool(prim.avg_pool, float_operand(inputs), pool_size, strides, padding, data_format)


def _pool(primitive, inputs, pool_size, strides, padding, data_format):
    if inputs.ndim < 3:
        raise ValueError(
            f"pooling expected inputs of rank 3 or more (batch, *spatial, channels). "
            f"Received: inputs.shape={tuple(inputs.shape)}"
        )
    data_format = standardize_data_format(data_format)
    x = channels_last(inputs, data_format)
    rank = x.ndim - 2
    window = per_axis(pool_size, rank, "pool_size")
    strides = window if strides is None else per_axis(strides, rank, "strides")
    padding = resolve_padding(padding, x.shape[1:-1], window, strides, (1,) * rank)
    return restore_format(apply(primitive, x, window=window, strides=strides, padding=padding), data_format)


def _best_backward(g, r):
    spatial = r.shapes[0][1:-1]
    return (apply(prim.max_pool_grad, g, *r.residuals, spatial=spatial, **r.attributes),)


def _max_pool_decomposition(x, *, window, strides, padding):
    candidates = _candidates(x, window, strides, padding, -float("inf"))
    return _chosen(candidates, argmax(candidates, axis=0))


def _min_pool_decomposition(x, *, window, strides, padding):
    candidates = _candidates(x, window, strides, padding, float("inf"))
    return _chosen(candidates, argmin(candidates, axis=0))


def _chosen(candidates, winner):
    return squeeze(take_along_axis(candidates, expand_dims(winner, 0), axis=0), 0)


def _candidates(x, window, strides, padding, filler):
    """Each window's elements on a new first axis, in scan order."""
    padded = pad(x, ((0, 0), *padding, (0, 0)), constant_values=filler) if any(map(any, padding)) else x
    out = conv_output_shape(x.shape[1:-1], window, strides, padding, (1,) * len(window))
    views = [getitem(padded, _window_slices(offset, out, strides)) for offset in itertools.product(*map(range, window))]
    return stack(views, axis=0)


def _window_slices(offset, out, strides):
    return (
        slice(None),
        *(slice(o, o + (n - 1) * s + 1 if n else o, s) for o, n, s in zip(offset, out, strides)),
    )


prim.max_pool.gradient = fused_gradient(_best_backward, _max_pool_decomposition, saves="x")
prim.min_pool.gradient = fused_gradient(_best_backward, _min_pool_decomposition, saves="x")
prim.avg_pool.gradient = Gradient(
    vjp=lambda g, r: (apply(prim.avg_pool_grad, g, spatial=r.shapes[0][1:-1], **r.attributes),)
)


def _avg_pool_grad_gradient(h, r):
    attributes = {k: v for k, v in r.attributes.items() if k != "spatial"}
    return (apply(prim.avg_pool, h, **attributes),)


prim.avg_pool_grad.gradient = Gradient(vjp=_avg_pool_grad_gradient)
