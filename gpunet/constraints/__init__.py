"""Constraints: projections that the optimizer applies to a weight after each update."""

from __future__ import annotations

from typing import Any

from gpunet import config, ops
from gpunet.serialization import Catalog
from gpunet.serialization import deserialize as _deserialize
from gpunet.serialization import serialize as _serialize

catalog = Catalog("constraint", "keras.constraints")


class Constraint:
    """A callable `tensor -> tensor`; a subclass implements `__call__` and `get_config`."""

    def __call__(self, w: Any) -> Any:
        """The projected weights: here as they are."""
        return w

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        return cls(**config)


def _norms(w: Any, axis: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Scales vectors along `axis` down to a norm of at most `max_value`."""

    def __init__(self, max_value: float = 2, axis: Any = 0):
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        return w * (ops.clip(norms, 0.0, self.max_value) / (config.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Sets negative weights to 0."""

    def __call__(self, w: Any) -> Any:
        return ops.maximum(w, 0.0)


class UnitNorm(Constraint):
    """Scales vectors along `axis` to norm 1."""

    def __init__(self, axis: Any = 0):
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return w / (config.epsilon() + _norms(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Moves the norms of vectors along `axis` into [min_value, max_value], at the speed `rate`."""

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0):
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        wanted = self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (config.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm
for _cls in (MaxNorm, NonNeg, UnitNorm, MinMaxNorm):
    catalog.add(_cls)


def get(identifier: Any) -> Any:
    """The constraint for a name, class, configuration or callable."""
    return catalog.get(identifier)


def serialize(constraint: Any) -> Any:
    """The constraint as a configuration."""
    return _serialize(constraint)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The constraint of a configuration."""
    return _deserialize(config, custom_objects)
