"""Errors relative to the target, of logarithms, of directions and of counts."""

from __future__ import annotations

import math
from typing import Any

from gpunet import config, ops
from gpunet.losses.loss import FunctionLoss, PlainLoss, catalog
from gpunet.losses.reduction import pair


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """100 · the mean over the last axis of |y_true − y_pred| / |y_true|, the divisor at least 1e-7."""
    y_true, y_pred = pair(y_true, y_pred)
    relative = (y_true - y_pred) / ops.maximum(ops.absolute(y_true), config.epsilon())
    return 100.0 * ops.mean(ops.absolute(relative), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """The mean over the last axis of (log(y_true + 1) − log(y_pred + 1))², both at least 1e-7."""
    y_true, y_pred = (ops.log(ops.maximum(y, config.epsilon()) + 1.0) for y in pair(y_true, y_pred))
    return ops.mean(ops.square(y_pred - y_true), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Minus the cosine of the angle between y_true and y_pred, vectors along `axis`."""
    y_true, y_pred = (ops.normalize(y, axis=axis) for y in pair(y_true, y_pred))
    return -ops.sum(y_true * y_pred, axis=axis)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """The mean over the last axis of log cosh(y_pred − y_true): quadratic for small errors, linear for large ones."""
    y_true, y_pred = pair(y_true, y_pred)
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(error * -2.0) - math.log(2.0), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """The mean over the last axis of y_pred − y_true·log(y_pred + 1e-7), for counts y_true with the mean y_pred."""
    y_true, y_pred = pair(y_true, y_pred)
    return ops.mean(y_pred - y_true * ops.log(y_pred + config.epsilon()), axis=-1)


class MeanAbsolutePercentageError(PlainLoss):
    """The mean of absolute errors relative to the target, in percent."""

    function = staticmethod(mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(PlainLoss):
    """The mean of squared errors of logarithms."""

    function = staticmethod(mean_squared_logarithmic_error)


class LogCosh(PlainLoss):
    """The logarithm of the hyperbolic cosine of the error."""

    function = staticmethod(log_cosh)


class Poisson(PlainLoss):
    """The negative log-likelihood of counts, up to a constant."""

    function = staticmethod(poisson)


class CosineSimilarity(FunctionLoss):
    """Minus the cosine of the angle between target and prediction: −1 where they point the same way."""

    function = staticmethod(cosine_similarity)

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype, axis=axis)


catalog.add(mean_absolute_percentage_error, "mape", "MAPE")
catalog.add(mean_squared_logarithmic_error, "msle", "MSLE")
catalog.add(log_cosh, "logcosh")
for _entry in (cosine_similarity, poisson, MeanAbsolutePercentageError, MeanSquaredLogarithmicError, LogCosh, Poisson):
    catalog.add(_entry)
catalog.add(CosineSimilarity)
