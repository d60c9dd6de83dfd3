"""One minus the overlap of two regions, for segmentation."""

from __future__ import annotations

from typing import Any

from gpunet import config, ops
from gpunet.losses.loss import FunctionLoss, catalog
from gpunet.losses.reduction import pair


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """1 − 2·Σ y_true·y_pred / (Σ y_true + Σ y_pred), sums over `axis` or everything."""
    y_true, y_pred = pair(y_true, y_pred)
    total = ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis)
    return 1.0 - 2.0 * ops.sum(y_true * y_pred, axis=axis) / (total + config.epsilon())


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Any:
    """1 − I / (I + alpha·missed + beta·false), with I = Σ y_true·y_pred (Salehi et al., arXiv:1706.05721)."""
    y_true, y_pred = pair(y_true, y_pred)
    common = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum((1.0 - y_pred) * y_true, axis=axis)
    false = ops.sum(y_pred * (1.0 - y_true), axis=axis)
    return 1.0 - common / (common + alpha * missed + beta * false + config.epsilon())


class Dice(FunctionLoss):
    """1 − twice the common part of two regions over the sum of both."""

    function = staticmethod(dice)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "dice",
        axis: Any = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype, axis=axis)


class Tversky(FunctionLoss):
    """`Dice` with weights for what was missed and what was found wrongly."""

    function = staticmethod(tversky)

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "tversky",
        axis: Any = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)


for _entry in (dice, tversky, Dice, Tversky):
    catalog.add(_entry)
