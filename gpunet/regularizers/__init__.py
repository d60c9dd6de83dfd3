"""Regularizers: penalties on weights or activities that are added to the loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import ops
from gpunet.serialization import Catalog
from gpunet.serialization import deserialize as _deserialize
from gpunet.serialization import serialize as _serialize

catalog = Catalog("regularizer", "keras.regularizers")


class Regularizer:
    """A callable `tensor -> scalar tensor`; a subclass implements `__call__` and `get_config`."""

    def __call__(self, x: Any) -> Any:
        raise NotImplementedError("A regularizer implements __call__(self, x).")

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        return cls(**config)


def _factor(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < float("inf"):
        raise ValueError(f"Invalid value for argument {name}: expected a non-negative float. Received: {name}={value}")
    return float(value)


class L1L2(Regularizer):
    """l1·Σ|x| + l2·Σx².

    Raises:
        ValueError: if a factor is negative or not finite.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1 = _factor("l1", 0.0 if l1 is None else l1)
        self.l2 = _factor("l2", 0.0 if l2 is None else l2)

    def __call__(self, x: Any) -> Any:
        total: Any = 0.0
        if self.l1:
            total = self.l1 * ops.sum(ops.absolute(x))
        if self.l2:
            total = total + self.l2 * ops.sum(ops.square(x))
        return total

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """l1·Σ|x|."""

    def __init__(self, l1: float = 0.01):
        self.l1 = _factor("l1", 0.01 if l1 is None else l1)

    def __call__(self, x: Any) -> Any:
        return self.l1 * ops.sum(ops.absolute(x))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(Regularizer):
    """l2·Σx²."""

    def __init__(self, l2: float = 0.01):
        self.l2 = _factor("l2", 0.01 if l2 is None else l2)

    def __call__(self, x: Any) -> Any:
        return self.l2 * ops.sum(ops.square(x))

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """factor · the mean of |cosine| over pairs of rows (or columns) of a matrix.

    Raises:
        ValueError: if `mode` is not "rows" or "columns", or x is not a matrix.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows"):
        if mode not in ("rows", "columns"):
            raise ValueError(
                f'Invalid value for argument `mode`. Expected one of {{"rows", "columns"}}. Received: mode={mode}'
            )
        self.factor = _factor("factor", factor)
        self.mode = mode

    def __call__(self, x: Any) -> Any:
        if len(x.shape) != 2:
            raise ValueError(
                f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={tuple(x.shape)}"
            )
        unit = ops.normalize(x, axis=1 if self.mode == "rows" else 0)
        product = (
            ops.matmul(unit, ops.transpose(unit)) if self.mode == "rows" else ops.matmul(ops.transpose(unit), unit)
        )
        n = product.shape[0]
        cosines = ops.absolute(product * (1.0 - ops.eye(n, dtype=product.dtype)))
        return self.factor * 0.5 * ops.sum(cosines) / max(1.0, n * (n - 1) / 2)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer
catalog.add(L1, "l1")
catalog.add(L2, "l2")
catalog.add(L1L2, "l1_l2")
catalog.add(OrthogonalRegularizer, "orthogonal_regularizer")


def get(identifier: Any) -> Any:
    """The regularizer for a name, class, configuration or callable."""
    return catalog.get(identifier)


def serialize(regularizer: Any) -> Any:
    """The regularizer as a configuration."""
    return _serialize(regularizer)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The regularizer of a configuration."""
    return _deserialize(config, custom_objects)
