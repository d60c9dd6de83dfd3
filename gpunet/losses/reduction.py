"""From one value per sample to a scalar: weights, masks and reductions."""

from __future__ import annotations

import math
from typing import Any

from gpunet import ops
from gpunet.ops.operands import operand

REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)


def standardize_reduction(reduction: Any) -> Any:
    """Return `reduction` if it is one of `REDUCTIONS`, else raise ValueError."""
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"Invalid value for argument `reduction`. Expected one of {REDUCTIONS}. Received: reduction={reduction}"
        )
    return reduction


def same_rank(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both with the same rank where they differ by a last axis of size 1, such as labels (N,) beside outputs (N, 1).

    As in Keras, a vector gets that axis, and an array of higher rank makes the other lose it.
    """
    gap = len(y_pred.shape) - len(y_true.shape)
    if gap == 1 and y_pred.shape[-1] == 1:
        return _matched(y_true, y_pred)
    if gap == -1 and y_true.shape[-1] == 1:
        return _matched(y_pred, y_true)[::-1]
    return y_true, y_pred


def pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Targets in the predictions' dtype, and both with the same rank.

    Raises:
        ValueError: if the shapes do not broadcast.
    """
    y_pred = operand(y_pred)
    y_true, y_pred = same_rank(ops.cast(operand(y_true), y_pred.dtype), y_pred)
    if len(y_true.shape) != len(y_pred.shape) or any(
        n != m and 1 not in (n, m) for n, m in zip(y_true.shape, y_pred.shape)
    ):
        raise ValueError(
            f"y_true and y_pred must have the same shape. "
            f"Received: y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
        )
    return y_true, y_pred


def _matched(lower: Any, higher: Any) -> tuple[Any, Any]:
    if len(lower.shape) == 1:
        return ops.expand_dims(lower, -1), higher
    return lower, ops.squeeze(higher, -1)


def align_weight(weight: Any, values: Any) -> Any:
    """`weight` with the axes it lacks to broadcast against `values`.

    Raises:
        ValueError: if it has more axes than the values, or other sizes.
    """
    weight = ops.cast(operand(weight), values.dtype)
    gap = len(weight.shape) - len(values.shape)
    if gap == 1 and weight.shape[-1] == 1:
        weight, gap = ops.squeeze(weight, -1), 0
    if gap < 0:
        weight = ops.reshape(weight, (*weight.shape, *(1,) * -gap))
    fits = gap <= 0 and all(n in (1, m) for n, m in zip(weight.shape, values.shape))
    if not fits:
        raise ValueError(
            f"sample_weight cannot be broadcast to the values. "
            f"Received: sample_weight.shape={tuple(weight.shape)}, values.shape={tuple(values.shape)}"
        )
    return weight


def apply_mask(weight: Any, mask: Any, values: Any, reduction: Any) -> Any:
    """Weights that leave out masked values; for means, scaled so that only valid values count."""
    if mask is None:
        return weight
    mask = ops.cast(mask, values.dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        total = float(math.prod(mask.shape))
        mask = mask * ops.divide_no_nan(total, ops.sum(mask))
    mask = align_weight(mask, values)
    return mask if weight is None else align_weight(weight, values) * mask


def reduce_values(values: Any, weight: Any, reduction: Any) -> Any:
    """Weighted values reduced: a sum, a mean over all elements, a weighted mean, or as they are."""
    if weight is not None:
        weight = align_weight(weight, values)
        values = values * weight
    if reduction in ("none", None) or not len(values.shape):
        return values
    if reduction == "sum":
        return ops.sum(values)
    if reduction == "mean_with_sample_weight" and weight is not None:
        return ops.divide_no_nan(ops.sum(values), ops.sum(ops.broadcast_to(weight, values.shape)))
    return ops.mean(values)
