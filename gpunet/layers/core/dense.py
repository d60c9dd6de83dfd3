"""The fully connected layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import activations, constraints, initializers, ops, regularizers
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.layer import Layer


def split_activation(activation: Any) -> tuple[str | None, Any]:
    """(what the product's epilogue computes, what is left to call): ReLU is fused, `linear` is nothing."""
    if activation is activations.relu:
        return "relu", None
    return None, None if activation is activations.linear else activation


def as_units(n: Any, name: str) -> int:
    """A positive integer.

    Raises:
        ValueError: otherwise.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"{name} must be a positive integer. Received: {name.rpartition(' ')[2]}={n!r}")
    return int(n)


def fused_name(activation: Any) -> str | None:
    """The activation's name if the product's epilogue can have it or leave it out."""
    known = {"relu": activations.relu, "linear": activations.linear}
    return next((name for name, function in known.items() if activation is function), None)


class Dense(Layer):
    """activation(x @ kernel + bias): (..., in) → (..., units).

    Args:
        units: size of the output's last axis.

    Raises:
        ValueError: if `units` is not a positive integer.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        refuse_quantization(self, quantization_config)
        self.units = as_units(units, "Dense: units")
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        if size is None:
            raise ValueError(f"Dense: the last axis of the inputs must be known. Received: shape={tuple(input_shape)}")
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})

    @property
    def fused_activation(self) -> str | None:  # type: ignore[override]  # follows from the activation
        return fused_name(self.activation)

    def call(self, inputs: Any) -> Any:
        fused, rest = split_activation(self.activation)
        y = ops.linear(inputs, self.kernel, self.bias, fused)
        return y if rest is None else rest(y)

    def call_fused(self, inputs: Any, training: bool | None, relu: bool, addend: Any = None) -> Any:
        return ops.linear(inputs, self.kernel, self.bias, "relu" if relu else None)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": None,
        }


def refuse_quantization(layer: Layer, quantization_config: Any) -> None:
    """Raise NotImplementedError unless the argument, which is in the configurations that Keras writes, is None."""
    if quantization_config is not None:
        raise NotImplementedError(
            f"{type(layer).__name__}: quantization is not implemented. "
            f"Received: quantization_config={quantization_config!r}"
        )
