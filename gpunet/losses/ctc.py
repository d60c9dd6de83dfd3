"""The loss of sequences of labels without an alignment to the time steps."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.losses.loss import PlainLoss, catalog
from gpunet.ops.operands import operand


def ctc(y_true: Any, y_pred: Any) -> Any:
    """`ops.ctc_loss` of each sample, with class 0 for "no label" and as padding.

    Args:
        y_true: integer labels (batch, labels), padded with 0.
        y_pred: logits (batch, steps, classes).

    Raises:
        ValueError: if the ranks are others.
    """
    y_true, y_pred = operand(y_true), operand(y_pred)
    if len(y_true.shape) != 2:
        raise ValueError(
            f"Targets `y_true` are expected to be a tensor of shape `(batch_size, max_length)` in integer format. "
            f"Received: y_true.shape={tuple(y_true.shape)}"
        )
    if len(y_pred.shape) != 3:
        raise ValueError(
            f"Logits `y_pred` are expected to be a tensor of shape `(batch_size, max_length, num_classes)`. "
            f"Received: y_pred.shape={tuple(y_pred.shape)}"
        )
    labels = ops.sum(ops.cast(ops.not_equal(y_true, 0), "int32"), axis=-1)
    return ops.ctc_loss(y_true, y_pred, labels, labels * 0 + y_pred.shape[1], mask_index=0)


class CTC(PlainLoss):
    """Connectionist temporal classification of logits (batch, steps, classes), with class 0 for "no label"."""

    function = staticmethod(ctc)

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "ctc", dtype: Any = None):
        super().__init__(reduction, name, dtype)


catalog.add(ctc)
catalog.add(CTC)
