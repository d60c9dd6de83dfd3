"""Losses as functions, one value per sample, and as classes with a reduction."""

from __future__ import annotations

from typing import Any

from gpunet import config, ops
from gpunet.losses.loss import FunctionLoss, PlainLoss, catalog
from gpunet.losses.reduction import pair
from gpunet.ops.operands import operand


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """The mean over the last axis of (y_true − y_pred)²."""
    y_true, y_pred = pair(y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """The mean over the last axis of |y_true − y_pred|."""
    y_true, y_pred = pair(y_true, y_pred)
    return ops.mean(ops.absolute(y_true - y_pred), axis=-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """The mean over the last axis of e²/2 where |e| ≤ delta, else delta·(|e| − delta/2)."""
    y_true, y_pred = pair(y_true, y_pred)
    error = ops.absolute(y_pred - y_true)
    return ops.mean(ops.where(error <= delta, 0.5 * ops.square(error), delta * error - 0.5 * delta**2), axis=-1)


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """Σ y_true·log(y_true / y_pred) over the last axis, both clipped to [1e-7, 1]."""
    y_true, y_pred = pair(y_true, y_pred)
    y_true, y_pred = (ops.clip(y, config.epsilon(), 1.0) for y in (y_true, y_pred))
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """The mean over `axis` of −y_true·log p − (1 − y_true)·log(1 − p), labels moved towards ½ by `label_smoothing`."""
    y_true, y_pred = pair(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """−Σ y_true·log p over the class axis, for one-hot or soft targets, moved towards uniform by `label_smoothing`."""
    y_pred = operand(y_pred)
    y_true = ops.cast(operand(y_true), y_pred.dtype)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_pred.shape[axis]
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """−log p[y_true] for integer labels of shape (...) or (..., 1); 0 where the label is `ignore_class`.

    Raises:
        ValueError: if a label is out of range or the shapes do not fit.
    """
    y_pred = operand(y_pred)
    y_true = operand(y_true)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    valid = ops.not_equal(y_true, ignore_class)
    values = ops.sparse_categorical_crossentropy(
        ops.where(valid, y_true, 0), y_pred, from_logits=from_logits, axis=axis
    )
    values = ops.where(valid, values, 0.0)
    if not hasattr(values, "_node"):
        return values
    values._keras_mask = valid
    return values


class MeanSquaredError(PlainLoss):
    """The mean of squared errors."""

    function = staticmethod(mean_squared_error)


class MeanAbsoluteError(PlainLoss):
    """The mean of absolute errors."""

    function = staticmethod(mean_absolute_error)


class Huber(FunctionLoss):
    """Quadratic for errors up to delta, linear beyond."""

    function = staticmethod(huber)

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype, delta=delta)


class KLDivergence(PlainLoss):
    """The Kullback–Leibler divergence of distributions over the last axis."""

    function = staticmethod(kl_divergence)


class BinaryCrossentropy(FunctionLoss):
    """Cross-entropy of independent yes/no labels; from logits where `from_logits`."""

    function = staticmethod(binary_crossentropy)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis)


class CategoricalCrossentropy(FunctionLoss):
    """Cross-entropy of one-hot or soft targets; from logits where `from_logits`."""

    function = staticmethod(categorical_crossentropy)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis)


class SparseCategoricalCrossentropy(FunctionLoss):
    """Cross-entropy of integer class labels; from logits where `from_logits`."""

    function = staticmethod(sparse_categorical_crossentropy)

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype, from_logits=from_logits, ignore_class=ignore_class, axis=axis)


# Functions first: a snake_case name is the function, as in Keras, a class name the class.
catalog.add(mean_squared_error, "mse", "MSE")
catalog.add(mean_absolute_error, "mae", "MAE")
catalog.add(huber, "huber_loss")
catalog.add(kl_divergence, "kld", "KLD", "kullback_leibler_divergence")
catalog.add(binary_crossentropy, "bce", "BCE")
catalog.add(categorical_crossentropy)
catalog.add(sparse_categorical_crossentropy)
for _cls in (
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
    KLDivergence,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
):
    catalog.add(_cls)
