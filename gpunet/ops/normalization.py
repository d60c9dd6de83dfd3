"""Batch normalisation, with the batch's own statistics, fused, and with given ones; layer and RMS normalisation."""

from __future__ import annotations

import math
from typing import Any

from gpunet.autograd.apply import apply
from gpunet.autograd.fused import fused_gradient
from gpunet.autograd.tape import Gradient
from gpunet.backend.dtypes import FLOAT32
from gpunet.backend.primitives import nn as prim
from gpunet.ops import elementwise as el
from gpunet.ops.operands import cast_to, float_operand, normalize_axes, normalize_axis, operand
from gpunet.ops.reduction import mean as mean_
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import moveaxis, reshape
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
    return _with_batch_statistics(prim.batch_norm, float_operand(x), (gamma, beta), (), axis, epsilon)


@symbolic_op
def batch_norm_relu_training(
    x: Any, gamma: Any = None, beta: Any = None, addend: Any = None, axis: int = -1, epsilon: float = 1e-3
) -> tuple[Any, Any, Any]:
    """relu(y + addend) for the y of `batch_norm_training`, as residual networks have it, in fewer passes over memory.

    Args:
        addend: of the shape of x, or None for 0. The other arguments, and the statistics, as in `batch_norm_training`.

    Raises:
        ValueError: if addend has another shape.
    """
    x = float_operand(x)
    return _with_batch_statistics(prim.batch_norm_relu, x, (gamma, beta), (_addend(addend, x),), axis, epsilon)


def _addend(addend, x):
    """The addend in the dtype of x, or None."""
    if addend is None:
        return None
    addend = cast_to(float_operand(addend), x.dtype)
    if addend.shape != x.shape:
        raise ValueError(
            f"addend must have the shape of x. Received: addend.shape={tuple(addend.shape)}, x.shape={tuple(x.shape)}"
        )
    return addend


def _with_batch_statistics(primitive, x, parameters, others, axis, epsilon):
    """Run a primitive on x and `others` of its shape with the channels last, in float32 or wider."""
    axis = normalize_axis(axis, x.ndim)
    gamma, beta = (p if p is None else operand(p) for p in parameters)
    _check_channels("batch_norm_training", x, axis, gamma=gamma, beta=beta)
    wide = "float32" if x.dtype.itemsize == 2 else x.dtype
    last = axis == x.ndim - 1

    def prepared(array):
        array = cast_to(array, wide)
        return array if last else moveaxis(array, axis, -1)

    parameters = [p if p is None else cast_to(p, wide) for p in (gamma, beta)]
    others = [t if t is None else prepared(t) for t in others]
    y, mean, variance = apply(primitive, prepared(x), *parameters, *others, epsilon=epsilon)
    return cast_to(y if last else moveaxis(y, -1, axis), x.dtype), mean, variance


def checked_parameters(x: Any, gamma: Any, beta: Any, addend: Any) -> tuple[Any, Any, Any]:
    """The three in the dtype of x, whose channels are last, or None.

    Raises:
        ValueError: if a shape does not fit.
    """
    gamma, beta = (p if p is None else operand(p) for p in (gamma, beta))
    _check_channels("batch_norm_training", x, x.ndim - 1, gamma=gamma, beta=beta)
    gamma, beta = (p if p is None else cast_to(p, x.dtype) for p in (gamma, beta))
    return gamma, beta, _addend(addend, x)


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


def _batch_norm_relu_backward(g, r):
    if g[0] is None or g[1] is not None or g[2] is not None:
        return None
    x, gamma, _, addend = r.inputs
    options = {"epsilon": r.attributes["epsilon"], "with_addend": addend is not None}
    gradients = apply(prim.batch_norm_relu_grad, g[0], x, gamma, *r.residuals, **options)
    return gradients if addend is not None else (*gradients, None)


def _batch_norm_relu_decomposition(x, gamma, beta, addend, *, epsilon):
    y, mean, variance = _batch_norm_decomposition(x, gamma, beta, epsilon=epsilon)
    return el.relu(y if addend is None else el.add(y, addend)), mean, variance


prim.batch_norm_relu.gradient = fused_gradient(_batch_norm_relu_backward, _batch_norm_relu_decomposition, saves="xi")


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
    return _with_statistics(prim.scale_shift, float_operand(x), (), axis, (mean, variance), (offset, scale), epsilon)


@symbolic_op
def batch_norm_relu(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
    addend: Any = None,
) -> Any:
    """relu(y + addend) for the y of `batch_normalization`, in one pass over memory.

    Args:
        addend: of the shape of x, or None for 0. The other arguments as in `batch_normalization`.

    Raises:
        ValueError: if a shape does not fit.
    """
    x = float_operand(x)
    others = (_addend(addend, x),)
    return _with_statistics(prim.scale_shift_relu, x, others, axis, (mean, variance), (offset, scale), epsilon)


def _with_statistics(primitive, x, others, axis, statistics, parameters, epsilon):
    """Run a primitive of scale and shift on x and `others` of its shape with the channels last."""
    axis = normalize_axis(axis, x.ndim)
    mean, variance = map(operand, statistics)
    offset, scale = (p if p is None else operand(p) for p in parameters)
    _check_channels("batch_normalization", x, axis, mean=mean, variance=variance, offset=offset, scale=scale)
    factor = el.rsqrt(el.add(variance, epsilon))
    factor = factor if scale is None else el.multiply(factor, scale)
    shift = el.negative(el.multiply(mean, factor))
    shift = shift if offset is None else el.add(shift, offset)
    factor, shift = cast_to(factor, x.dtype), cast_to(shift, x.dtype)
    if axis == x.ndim - 1:
        return apply(primitive, x, factor, shift, *others)
    others = [t if t is None else moveaxis(t, axis, -1) for t in others]
    return moveaxis(apply(primitive, moveaxis(x, axis, -1), factor, shift, *others), -1, axis)


def _scale_shift_gradient(g, r):
    x, scale, *_ = r.inputs
    axes = tuple(range(len(g.shape) - 1))
    return (
        el.multiply(g, scale) if r.needs[0] else None,
        sum_(el.multiply(g, x), axes) if r.needs[1] else None,
        sum_(g, axes) if r.needs[2] else None,
    )


def _scale_shift_relu_gradient(g, r):
    g = el.relu_grad(g, r.out)
    return (*_scale_shift_gradient(g, r), g if r.needs[3] else None)


prim.scale_shift.gradient = Gradient(vjp=_scale_shift_gradient, saves="xy")
prim.scale_shift_relu.gradient = Gradient(vjp=_scale_shift_relu_gradient, saves="xyo")


@symbolic_op
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None
) -> Any:
    """gamma·(x − mean) / √(variance + epsilon) + beta with the statistics of each sample (Ba et al., arXiv:1607.06450).

    Args:
        gamma, beta: of the sizes of x along `axis`, or None for 1 and 0.
        axis: the axis, or axes, over which statistics are taken.
        epsilon: 1e-7 where None.

    Raises:
        ValueError: if a shape does not fit.
    """
    return _over_rows(x, axis, epsilon, True, gamma=gamma, beta=beta)


@symbolic_op
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """scale·x / √(mean of x² + epsilon) over `axis` (Zhang and Sennrich, arXiv:1910.07467).

    Args:
        scale: of the sizes of x along `axis`, or None for 1.
        axis: the axis, or axes, over which the mean is taken.
        epsilon: 1e-7 where None.

    Raises:
        ValueError: if a shape does not fit.
    """
    return _over_rows(x, axis, epsilon, False, scale=scale)


def _over_rows(x, axis, epsilon, centred, **parameters):
    """Run the primitive over one axis or several, which are made one at the end."""
    x = float_operand(x)
    axes = tuple(sorted(normalize_axes(axis, x.ndim) or range(x.ndim)))
    wide = _wide(x.dtype)
    size = math.prod(x.shape[a] for a in axes)
    flat = [_along(name, p, x, axes, wide, size) for name, p in parameters.items()]
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = x if axes == last else moveaxis(x, axes, last)
    rows = moved if len(axes) == 1 else reshape(moved, (*moved.shape[: x.ndim - len(axes)], size))
    epsilon = 1e-7 if epsilon is None else float(epsilon)
    y = apply(prim.layer_norm, rows, *flat, *[None] * (2 - len(flat)), epsilon=epsilon, centred=centred)
    y = y if rows is moved else reshape(y, moved.shape)
    return y if moved is x else moveaxis(y, last, axes)


def _along(name, factor, x, axes, dtype, size):
    """A factor of the sizes of x along `axes`, or None, as a vector."""
    if factor is None:
        return None
    factor = cast_to(operand(factor), dtype)
    expected = tuple(x.shape[a] for a in axes)
    if tuple(factor.shape) != expected:
        raise ValueError(
            f"expected {name} of shape {expected}, the sizes of x along axes {axes}. "
            f"Received: {name}.shape={tuple(factor.shape)}, x.shape={tuple(x.shape)}"
        )
    return factor if len(expected) == 1 else reshape(factor, (size,))


def _wide(dtype):
    """What numbers of a dtype are computed in."""
    return FLOAT32 if dtype.itemsize == 2 else dtype


def _layer_norm_backward(g, r):
    x, gamma, _ = r.inputs
    parameters = 2 if r.needs[2] else int(r.needs[1])
    options = {"centred": r.attributes["centred"], "parameters": parameters}
    return *apply(prim.layer_norm_grad, g, x, gamma, *r.residuals, **options), *[None] * (2 - parameters)


def _layer_norm_decomposition(x, gamma, beta, *, epsilon, centred):
    y = cast_to(x, _wide(x.dtype))
    if centred:
        y = el.subtract(y, mean_(y, -1, keepdims=True))
    y = el.multiply(y, el.rsqrt(el.add(mean_(el.square(y), -1, keepdims=True), epsilon)))
    y = y if gamma is None else el.multiply(y, gamma)
    return cast_to(y if beta is None else el.add(y, beta), x.dtype)


prim.layer_norm.gradient = fused_gradient(_layer_norm_backward, _layer_norm_decomposition, saves="xyz")
