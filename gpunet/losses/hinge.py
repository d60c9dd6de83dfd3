"""Margins: losses that are 0 for predictions far enough on the right side."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.losses.loss import PlainLoss, catalog
from gpunet.losses.reduction import pair


def _margin(y_true: Any, y_pred: Any) -> Any:
    """max(1 − y_true·y_pred, 0) for labels −1 and 1; 0 and 1 are taken for these if there are no others."""
    y_true, y_pred = pair(y_true, y_pred)
    binary = ops.all(ops.logical_or(ops.equal(y_true, 0), ops.equal(y_true, 1)))
    return ops.maximum(1.0 - ops.where(binary, 2.0 * y_true - 1.0, y_true) * y_pred, 0.0)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """The mean over the last axis of max(1 − y_true·y_pred, 0), for labels −1 and 1, or 0 and 1."""
    return ops.mean(_margin(y_true, y_pred), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """The mean over the last axis of max(1 − y_true·y_pred, 0)², for labels −1 and 1, or 0 and 1."""
    return ops.mean(ops.square(_margin(y_true, y_pred)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """max(1 + the largest prediction of another class − that of the true one, 0), for one-hot targets."""
    y_true, y_pred = pair(y_true, y_pred)
    right = ops.sum(y_true * y_pred, axis=-1)
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


class Hinge(PlainLoss):
    """The margin of yes/no labels."""

    function = staticmethod(hinge)


class SquaredHinge(PlainLoss):
    """The squared margin of yes/no labels."""

    function = staticmethod(squared_hinge)


class CategoricalHinge(PlainLoss):
    """The margin between the true class and the best other one."""

    function = staticmethod(categorical_hinge)


for _entry in (hinge, squared_hinge, categorical_hinge, Hinge, SquaredHinge, CategoricalHinge):
    catalog.add(_entry)
