"""Activation functions as layers."""

from __future__ import annotations

from typing import Any

from gpunet import activations, ops
from gpunet.layers.stateless import StatelessLayer


class Activation(StatelessLayer):
    """Applies an activation function, given by name or as a callable."""

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"activation": activations.serialize(self.activation)}


class ReLU(StatelessLayer):
    """max_value above it, x between the threshold and it, negative_slope·(x − threshold) below the threshold.

    Raises:
        ValueError: if an argument is negative.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        values = {"max_value": max_value, "negative_slope": negative_slope, "threshold": threshold}
        for name, value in values.items():
            if (value is None and name != "max_value") or (value is not None and value < 0):
                none = "" if name == "max_value" else "None or "
                raise ValueError(f"{name} of a ReLU layer cannot be {none}a negative value. Received: {name}={value}")
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


class Softmax(StatelessLayer):
    """exp(x) / Σ exp(x) over `axis`; elements where `mask` is False get probability 0."""

    def __init__(self, axis: Any = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return ops.softmax(inputs, self.axis)
        _check_mask(mask, inputs)
        mask = mask if mask.dtype == "bool" else ops.greater(mask, 0.5)
        low = -3e4 if inputs.dtype == "float16" else -1e9
        return ops.where(mask, ops.softmax(ops.where(mask, inputs, low), self.axis), 0.0)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"axis": self.axis}


def _check_mask(mask: Any, inputs: Any) -> None:
    sizes = list(zip(reversed(mask.shape), reversed(inputs.shape)))
    if len(mask.shape) > len(inputs.shape):
        raise ValueError(
            f"The `mask` must be broadcastable to `inputs` and must not have more dimensions. "
            f"Received: inputs.shape={tuple(inputs.shape)}, mask.shape={tuple(mask.shape)}"
        )
    if any(m not in (1, n) for m, n in sizes):
        raise ValueError(
            f"The `mask` must be broadcastable to `inputs`: each mask dimension must be 1 or that of the inputs. "
            f"Received: inputs.shape={tuple(inputs.shape)}, mask.shape={tuple(mask.shape)}"
        )
