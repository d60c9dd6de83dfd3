"""Losses, with the names, arguments and numerics of `keras.losses`."""

from typing import Any

from gpunet.losses.loss import Loss, LossFunctionWrapper, catalog
from gpunet.losses.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    KLDivergence,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    huber,
    kl_divergence,
    mean_absolute_error,
    mean_squared_error,
    sparse_categorical_crossentropy,
)
from gpunet.serialization import deserialize as _deserialize
from gpunet.serialization import serialize as _serialize


def get(identifier: Any) -> Any:
    """The loss for a name ("mse" is the function), class, configuration or callable."""
    return catalog.get(identifier)


def serialize(loss: Any) -> Any:
    """The loss as a configuration."""
    return _serialize(loss)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The loss of a configuration."""
    return get(config) if isinstance(config, str) else _deserialize(config, custom_objects)


__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Huber",
    "KLDivergence",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "deserialize",
    "get",
    "huber",
    "kl_divergence",
    "mean_absolute_error",
    "mean_squared_error",
    "serialize",
    "sparse_categorical_crossentropy",
]
