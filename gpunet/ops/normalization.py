"""Batch normalisation: with the batch's own statistics, fused, and with given ones."""

from __future__ import annotations

from typing import Any

from gpunet.autograd.apply import apply
from gpunet.autograd.fused import fused_gradient
from gpunet.autograd.tape import Gradient
from gpunet.backend.primitives import nn as prim
from gpunet.ops import elementwise as el
from gpunet.ops.operands import cast_to, float_operand, normalize_axis, operand
from gpunet.ops.reduction import mean as mean_
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import moveaxis
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def batch_norm_training(
    x: Any, gamma: Any = None, beta: Any = None, axis: int = -1, epsilon: float = 1e-3
) -> tuple[Any, Any, Any]:
    """Normalise with the statistics of the batch itself: gamma·(x − mean) / √(variance + epsilon) + beta.

    Args:
        x: any rank ≥ 2; statistics are over all axes but `axis`.
        gamma, beta: (channels,) or None for 1 and 0.

    Returns:
        (y, mean, variance), the statistics of shape (channels,); the variance is biased, as in Keras.

    Raises:
        ValueError: if a shape does not fit.
    """
    x = float_operand(x)
    axis = normalize_axis(axis, x.ndim)
    gamma, beta = (p if p is None else operand(p) for p in (gamma, beta))
    _check_channels("batch_norm_training", x, axis, gamma=gamma, beta=beta)
    wide = cast_to(x, "float32") if x.dtype.itemsize == 2 else x
    gamma, beta = (p if p is None or p.dtype == wide.dtype else cast_to(p, wide.dtype) for p in (gamma, beta))
    last = axis == x.ndim - 1
    y, mean, variance = apply(prim.batch_norm, wide if last else moveaxis(wide, axis, -1), gamma, beta, epsilon=epsilon)
    return cast_to(y if last else moveaxis(y, -1, axis), x.dtype), mean, variance


def _check_channels(op: str, x: Any, axis: int, **vectors: Any) -> None:
    expected = (x.shape[axis],)
    for name, vector in vectors.items():
        if vector is not None and tuple(vector.shape) != expected:
            raise ValueError(
                f"{op} expected {name} of shape {expected}, one number per channel. "
                f"Received: {name}.shape={tuple(vector.shape)}, x.shape={tuple(x.shape)}, axis={axis}"
            )


def _batch_norm_backward(g, r):
    if g[0] is None or g[1] is not None or g[2] is not None:
        return None  # a cotangent of the statistics: the decomposition covers it
    x, gamma, _ = r.inputs
    return apply(prim.batch_norm_grad, g[0], x, gamma, *r.residuals, epsilon=r.attributes["epsilon"])


def _batch_norm_decomposition(x, gamma, beta, *, epsilon):
    axes = tuple(range(x.ndim - 1))
    mean = mean_(x, axes)
    centred = el.subtract(x, mean)
    variance = mean_(el.square(centred), axes)
    y = el.multiply(centred, el.rsqrt(el.add(variance, epsilon)))
    y = y if gamma is None else el.multiply(y, gamma)
    return (y if beta is None else el.add(y, beta)), mean, variance


prim.batch_norm.gradient = fused_gradient(_batch_norm_backward, _batch_norm_decomposition, saves="xyz")


@symbolic_op
def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Any:
    """scale·(x − mean) / √(variance + epsilon) + offset with given statistics.

    Args:
        mean, variance, offset, scale: (x.shape[axis],); offset and scale may be None.

    Raises:
        ValueError: if a shape does not fit.
    """
    x = float_operand(x)
    axis = normalize_axis(axis, x.ndim)
    mean, variance = operand(mean), operand(variance)
    offset, scale = (p if p is None else operand(p) for p in (offset, scale))
    _check_channels("batch_normalization", x, axis, mean=mean, variance=variance, offset=offset, scale=scale)
    factor = el.rsqrt(el.add(variance, epsilon))
    factor = factor if scale is None else el.multiply(factor, scale)
    shift = el.negative(el.multiply(mean, factor))
    shift = shift if offset is None else el.add(shift, offset)
    factor, shift = cast_to(factor, x.dtype), cast_to(shift, x.dtype)
    if axis == x.ndim - 1:
        return apply(prim.scale_shift, x, factor, shift)
    return moveaxis(apply(prim.scale_shift, moveaxis(x, axis, -1), factor, shift), -1, axis)


def _scale_shift_gradient(g, r):
    x, scale, _ = r.inputs
    axes = tuple(range(len(g.shape) - 1))
    return (
        el.multiply(g, scale) if r.needs[0] else None,
        sum_(el.multiply(g, x), axes) if r.needs[1] else None,
        sum_(g, axes) if r.needs[2] else None,
    )


prim.scale_shift.gradient = Gradient(vjp=_scale_shift_gradient, saves="xy")
