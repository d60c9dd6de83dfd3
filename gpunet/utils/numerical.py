"""Label and array conversions on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import ops
from gpunet.autograd.tensor import Tensor


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Integer labels as one-hot rows of float32: (...) or (..., 1) → (..., num_classes).

    Args:
        num_classes: the largest label + 1 where None.

    Raises:
        ValueError: if a label is negative or not below `num_classes`.
    """
    if isinstance(x, Tensor):
        return ops.one_hot(x, num_classes or int(ops.max(x)) + 1)
    labels = np.asarray(x, dtype="int64")
    shape = labels.shape[:-1] if labels.ndim > 1 and labels.shape[-1] == 1 else labels.shape
    labels = labels.reshape(-1)
    classes = num_classes or (int(labels.max()) + 1 if labels.size else 0)
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(
            f"labels must be from 0 to {classes - 1}. Received: labels from {labels.min()} to {labels.max()}"
        )
    hot = np.zeros((labels.size, classes), "float32")
    hot[np.arange(labels.size), labels] = 1
    return hot.reshape((*shape, classes))


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """x divided by its norm along `axis`; all-zero rows stay as they are."""
    if isinstance(x, Tensor):
        return ops.normalize(x, axis=axis, order=order)
    norm = np.atleast_1d(np.linalg.norm(x, order, axis))
    norm[norm == 0] = 1
    return x / np.expand_dims(norm, axis)
