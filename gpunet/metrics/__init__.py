"""Metrics, with the names, arguments and numerics of `keras.metrics`."""

from typing import Any

from gpunet.metrics.metric import Mean, MeanMetricWrapper, Metric, Sum, catalog
from gpunet.metrics.metrics import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
)
from gpunet.serialization import deserialize as _deserialize
from gpunet.serialization import serialize as _serialize


def get(identifier: Any) -> Any:
    """The metric for a name, class, configuration or callable."""
    return catalog.get(identifier)


def serialize(metric: Any) -> Any:
    """The metric as a configuration."""
    return _serialize(metric)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The metric of a configuration."""
    return get(config) if isinstance(config, str) else _deserialize(config, custom_objects)


__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "Metric",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "Sum",
    "binary_accuracy",
    "categorical_accuracy",
    "deserialize",
    "get",
    "serialize",
    "sparse_categorical_accuracy",
]
