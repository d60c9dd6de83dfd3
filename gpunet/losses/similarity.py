"""Losses on distances between the embeddings of a batch."""

from __future__ import annotations

from typing import Any

import ml_dtypes

from gpunet import ops
from gpunet.losses.loss import FunctionLoss, catalog
from gpunet.ops.operands import operand


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Any:
    """The circle loss of each sample (Sun et al., arXiv:2002.10857).

    Args:
        y_true: integer labels (batch,).
        y_pred: embeddings of norm 1, (batch, size).
        ref_labels: labels of what to compare with, y_true where None.
        ref_embeddings: what to compare with, y_pred where None.
        remove_diagonal: do not compare a sample with itself.
        gamma: sharpness.
        margin: how far same labels may be apart, and others must be.
    """
    y_pred, y_true = operand(y_pred), ops.cast(operand(y_true), "int32")
    reference = y_pred if ref_embeddings is None else ops.cast(operand(ref_embeddings), y_pred.dtype)
    labels = y_true if ref_labels is None else ops.cast(operand(ref_labels), "int32")
    distance = ops.maximum(1.0 - ops.matmul(y_pred, ops.transpose(reference)), 0.0)
    same = ops.equal(ops.reshape(y_true, (-1, 1)), ops.reshape(labels, (1, -1)))
    other = ops.logical_not(same)
    if remove_diagonal:
        same = ops.logical_and(same, ops.equal(ops.eye(*distance.shape), 0))
    near = -gamma * (margin + distance) * (margin - distance)
    far = gamma * ops.maximum(1.0 + margin - distance, 0.0) * (1.0 - margin - distance)
    return ops.softplus(_logsumexp(near, same) + _logsumexp(far, other))


def _logsumexp(x: Any, mask: Any) -> Any:
    """Over the second axis, where the mask holds; if nowhere, far below 0 rather than −∞, whose gradient is NaN."""
    return ops.logsumexp(ops.where(mask, x, float(ml_dtypes.finfo(x.dtype).min) / 4), axis=1)


class Circle(FunctionLoss):
    """The circle loss on embeddings of norm 1, for metric learning; samples with no loss are masked."""

    function = staticmethod(circle)

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str = "circle",
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype, gamma=gamma, margin=margin, remove_diagonal=remove_diagonal)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        values = circle(y_true, y_pred, **self._fn_kwargs)
        values._keras_mask = ops.greater(values, 0)
        return values


for _entry in (circle, Circle):
    catalog.add(_entry)
