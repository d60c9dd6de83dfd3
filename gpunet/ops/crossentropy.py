"""Cross-entropies from logits, fused and without overflow, and from probabilities as Keras computes them."""

from __future__ import annotations

from typing import Any

from gpunet import config
from gpunet.autograd.apply import apply
from gpunet.autograd.fused import fused_gradient
from gpunet.autograd.tensor import raw
from gpunet.backend.primitives import nn as prim
from gpunet.ops import elementwise as el
from gpunet.ops.activation import log_softmax
from gpunet.ops.indexing import take_along_axis
from gpunet.ops.operands import cast_to, float_operand, normalize_axis, operand
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import expand_dims, moveaxis, squeeze
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """−log p[target] for integer class labels.

    Args:
        target: integer labels of shape (...) or (..., 1).
        output: (..., classes) logits or probabilities; probabilities are rescaled to sum to 1 and clipped to
            [1e-7, 1 − 1e-7], as in Keras.
        axis: the class axis.

    Raises:
        ValueError: if the shapes do not fit, or a label (on the host) is out of range.
    """
    output, target = float_operand(output), operand(target)
    if not output.ndim:
        raise ValueError("output must have at least one axis, the classes. Received: a scalar")
    axis = normalize_axis(axis, output.ndim)
    output = output if axis == output.ndim - 1 else moveaxis(output, axis, -1)
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = squeeze(target, -1)
    if target.shape != output.shape[:-1]:
        raise ValueError(
            f"target must have the shape of output without its class axis. "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    target = cast_to(target, "int32") if target.dtype.kind != "i" else target
    prim.check_labels(raw(target), classes=output.shape[-1])
    if from_logits:
        return apply(prim.sparse_softmax_crossentropy, output, target)
    logp = el.log(_clipped(el.divide(output, sum_(output, -1, keepdims=True))))
    return el.negative(squeeze(take_along_axis(logp, expand_dims(target, -1), -1), -1))


def _clipped(p: Any) -> Any:
    return el.clip(p, config.epsilon(), 1.0 - config.epsilon())


def _sparse_backward(g, r):
    return apply(prim.sparse_softmax_crossentropy_grad, g, r.inputs[1], *r.residuals), None


def _sparse_decomposition(logits, labels):
    return el.negative(squeeze(take_along_axis(log_softmax(logits), expand_dims(labels, -1), -1), -1))


prim.sparse_softmax_crossentropy.gradient = fused_gradient(_sparse_backward, _sparse_decomposition, "xy")


@symbolic_op
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """−Σ target·log p over the class axis, for one-hot or soft targets of the shape of `output`.

    Raises:
        ValueError: if the shapes differ.
    """
    output = float_operand(output)
    target = cast_to(operand(target), output.dtype)
    if target.shape != output.shape or not output.ndim:
        raise ValueError(
            f"target and output must have the same shape, with a class axis. "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    axis = normalize_axis(axis, output.ndim)
    if from_logits:
        if axis != output.ndim - 1:
            output, target = moveaxis(output, axis, -1), moveaxis(target, axis, -1)
        return apply(prim.softmax_crossentropy, output, target)
    logp = el.log(_clipped(el.divide(output, sum_(output, axis, keepdims=True))))
    return el.negative(sum_(el.multiply(target, logp), axis))


def _categorical_backward(g, r):
    if r.needs[1]:
        return None  # a cotangent of the targets: the decomposition covers it
    return apply(prim.softmax_crossentropy_grad, g, r.inputs[1], *r.residuals), None


def _categorical_decomposition(logits, targets):
    return el.negative(sum_(el.multiply(targets, log_softmax(logits)), -1))


prim.softmax_crossentropy.gradient = fused_gradient(_categorical_backward, _categorical_decomposition, "xy")


@symbolic_op
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """−target·log p − (1 − target)·log(1 − p), elementwise; from logits without overflow.

    Raises:
        ValueError: if the shapes differ.
    """
    output = float_operand(output)
    target = cast_to(operand(target), output.dtype)
    if target.shape != output.shape:
        raise ValueError(
            f"target and output must have the same shape. "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    if from_logits:
        return el.subtract(el.softplus(output), el.multiply(output, target))
    p = _clipped(output)
    hit = el.multiply(target, el.log(p))
    miss = el.multiply(el.subtract(1.0, target), el.log(el.subtract(1.0, p)))
    return el.negative(el.add(hit, miss))


__all__ = [
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
]
