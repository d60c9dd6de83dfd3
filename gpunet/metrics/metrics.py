"""Accuracies and regression errors."""

from __future__ import annotations

from typing import Any

from gpunet import config, ops
from gpunet.losses import losses
from gpunet.losses.reduction import same_rank
from gpunet.metrics.metric import Mean, MeanMetricWrapper, Sum, catalog
from gpunet.ops.operands import operand


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where elements are equal."""
    y_true, y_pred = same_rank(operand(y_true), operand(y_pred))
    return ops.cast(ops.equal(y_true, y_pred), config.floatx())


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where an element is on the right side of the threshold."""
    y_true, y_pred = same_rank(operand(y_true), operand(y_pred))
    decided = ops.cast(ops.greater(y_pred, threshold), y_pred.dtype)
    return ops.cast(ops.equal(y_true, decided), config.floatx())


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest prediction is at the largest target of the last axis."""
    y_true, y_pred = operand(y_true), operand(y_pred)
    return ops.cast(ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1)), config.floatx())


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest prediction of the last axis is at the integer label."""
    y_true, y_pred = operand(y_true), operand(y_pred)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    return ops.cast(ops.equal(y_true, ops.argmax(y_pred, axis=-1)), config.floatx())


class Accuracy(MeanMetricWrapper):
    """How often predictions equal labels."""

    _direction = "up"

    def __init__(self, name: str = "accuracy", dtype: Any = None):
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often predictions are on the right side of the threshold."""

    _direction = "up"

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5):
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = threshold

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"threshold": self.threshold}


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the most probable class is that of the one-hot target."""

    _direction = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None):
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the most probable class is the integer label."""

    _direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None):
        super().__init__(sparse_categorical_accuracy, name, dtype)


class MeanSquaredError(MeanMetricWrapper):
    """The mean of squared errors."""

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None):
        super().__init__(losses.mean_squared_error, name, dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of absolute errors."""

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None):
        super().__init__(losses.mean_absolute_error, name, dtype)


class RootMeanSquaredError(Mean):
    """The square root of the mean of squared errors."""

    _direction = "down"

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None):
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]  # as in Keras: other values than those of Mean
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        y_true, y_pred = same_rank(operand(y_true), operand(y_pred))
        super().update_state(ops.square(y_pred - ops.cast(y_true, y_pred.dtype)), sample_weight)

    def result(self) -> Any:
        return ops.sqrt(super().result())


# Classes first: a name is a new metric of the class, as in Keras.
for _cls, *_aliases in (
    (Mean,),
    (Sum,),
    (Accuracy,),
    (BinaryAccuracy,),
    (CategoricalAccuracy,),
    (SparseCategoricalAccuracy,),
    (MeanSquaredError, "mse", "MSE"),
    (MeanAbsoluteError, "mae", "MAE"),
    (RootMeanSquaredError, "rmse", "RMSE"),
):
    catalog.add(_cls, *_aliases)
for _function in (
    losses.mean_squared_error,
    losses.mean_absolute_error,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
):
    catalog.add(_function)
