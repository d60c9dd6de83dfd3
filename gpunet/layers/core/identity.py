"""Layers that compute nothing, or what they are told: Identity, Masking, Lambda."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from gpunet import activations, ops
from gpunet.layers.layer import Layer
from gpunet.layers.stateless import StatelessLayer
from gpunet.serialization import deserialize, serialize


class Identity(StatelessLayer):
    """The inputs as they are."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs


class Masking(StatelessLayer):
    """Marks the steps of (batch, steps, features) whose features all equal `mask_value` as missing, and zeroes them."""

    def __init__(self, mask_value: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True for the steps that are there."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        return ops.where(ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True), inputs, 0.0)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"mask_value": self.mask_value}


class Lambda(Layer):
    """A function of tensors as a layer. It may take `mask` and `training`, and should own no variables.

    Args:
        function: of the inputs.
        output_shape: ignored where the shape can be inferred, as it always can here; kept for the configuration.
        mask: the output's mask, or a function of inputs and mask that gives it.
        arguments: further keyword arguments of the function.

    A Python lambda is written as its code, which is read with `safe_mode=False` only.
    """

    def __init__(
        self, function: Callable, output_shape: Any = None, mask: Any = None, arguments: Any = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.function = function
        self.mask = mask
        self.arguments = dict(arguments or {})
        self._output_shape = output_shape
        self.supports_masking = mask is not None
        self._takes = set(inspect.signature(function).parameters) & {"mask", "training"}

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        context = {"mask": mask, "training": training}
        return self.function(inputs, **self.arguments, **{name: context[name] for name in self._takes})

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask that was given, or what the given function makes."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {
            "function": _named(self.function),
            "arguments": serialize(self.arguments),
        }
        for name, value in (("output_shape", self._output_shape), ("mask", self.mask)):
            if value is not None:
                config[name] = _named(value) if callable(value) else serialize(value)
        return config

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None, safe_mode: bool | None = None
    ) -> Any:
        """The layer of a configuration.

        Raises:
            ValueError: for a Python lambda, whose code could do anything, unless `safe_mode` is False here or around.
        """
        config = dict(config)
        for name in ("function", "output_shape", "mask", "arguments"):
            value = config.get(name)
            if name == "function" and not isinstance(value, dict):
                config[name] = activations.get(value)
            elif value is not None:
                config[name] = deserialize(value, custom_objects, safe_mode is not False)
        return super().from_config(config)


def _named(function: Any) -> Any:
    """A function by its name, a lambda as its code, with the keys that Keras gives it in this layer."""
    config = serialize(function)
    if isinstance(config, dict) and config.get("class_name") == "__lambda__":
        config["config"] = dict(zip(("code", "defaults", "closure"), config["config"]["value"]))
    return config
