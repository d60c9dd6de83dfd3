"""What all convolutional layers share: arguments, variables and configuration."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import activations, constraints, initializers, ops, regularizers
from gpunet.config import standardize_data_format
from gpunet.layers.core.dense import fused_name, split_activation
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.layer import Layer


def as_tuple(value: Any, rank: int, name: str) -> tuple[int, ...]:
    """An int or `rank` ints, all positive.

    Raises:
        ValueError: otherwise.
    """
    values = tuple(value) if isinstance(value, list | tuple) else (value,) * rank
    if len(values) != rank or any(isinstance(v, bool) or not isinstance(v, int | np.integer) or v < 1 for v in values):
        raise ValueError(
            f"The `{name}` argument must be a tuple of {rank} integers greater than 0. Received: {name}={value!r}"
        )
    return tuple(map(int, values))


def as_count(value: Any, name: str) -> int:
    """A positive int.

    Raises:
        ValueError: otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected a strictly positive value. Received {name}={value}."
        )
    return int(value)


def check_windows(layer: str, shape: Any, data_format: str, window: tuple[int, ...], padding: str) -> None:
    """Raise ValueError if a window, dilation included, is larger than the input that it should move over."""
    spatial = tuple(shape[1:-1] if data_format == "channels_last" else shape[2:])
    if padding == "valid" and any(n is not None and n < w for n, w in zip(spatial, window)):
        raise ValueError(
            f"Computed output size would be zero or negative. Layer '{layer}' with padding='valid' expected inputs at "
            f"least as large as its window {window}. Received: shape={tuple(shape)}"
        )


class WindowedConv(Layer):
    """What convolutions of all kinds share: a window that moves over `rank` spatial axes, then bias and activation.

    Args:
        kernel_size, strides, dilation_rate: an int or one per spatial axis.
        padding: one of `paddings`.
        data_format: "channels_last" or "channels_first"; the configured default where None.

    Raises:
        ValueError: if a size is not positive, or the padding has another name.
    """

    rank: int
    paddings: tuple[str, ...] = ("valid", "same")

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.kernel_size = as_tuple(kernel_size, self.rank, "kernel_size")
        self.strides = as_tuple(strides, self.rank, "strides")
        self.dilation_rate = as_tuple(dilation_rate, self.rank, "dilation_rate")
        self.padding = str(padding).lower()
        if self.padding not in self.paddings:
            raise ValueError(f"padding must be one of {self.paddings}. Received: padding={padding!r}")
        self.data_format = standardize_data_format(data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.bias: Any = None

    @property
    def _channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def _channels(self, input_shape: Any) -> int:
        """The number of input channels, which the layer requires from now on."""
        channels = input_shape[self._channel_axis]
        if channels is None:
            raise ValueError(
                f"The channel dimension of the inputs should be defined. "
                f"Found None in input_shape={tuple(input_shape)} at axis {self._channel_axis}."
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})
        return channels

    def _add_bias_weight(self, size: int) -> None:
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(size,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _check_inputs(self, first: Any) -> None:
        super()._check_inputs(first)
        window = tuple((k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation_rate))
        check_windows(self.name, first.shape, self.data_format, window, self.padding)

    def _with_bias_and_activation(self, y: Any) -> Any:
        if self.bias is not None:
            bias = self.bias
            if self.data_format == "channels_first":
                bias = ops.reshape(bias, (1, -1) + (1,) * self.rank)
            y = ops.add(y, bias)
        return self.activation(y)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


class BaseConv(WindowedConv):
    """A convolution over `rank` spatial axes with bias and activation; a subclass sets `rank`.

    Args:
        filters: output channels.
        kernel_size, strides, padding, data_format, dilation_rate: as in `WindowedConv`.
        groups: both channel counts are split into so many independent parts.

    Raises:
        ValueError: if a size is not positive, or `filters` is not a multiple of `groups`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            bias_constraint,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.filters = as_count(filters, "filters")
        self.groups = as_count(groups, "groups")
        if self.filters % self.groups:
            raise ValueError(
                f"The number of filters must be evenly divisible by the number of groups. "
                f"Received: groups={groups}, filters={filters}."
            )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.kernel: Any = None

    def _kernel_shape(self, channels: int) -> tuple[int, ...]:
        if channels % self.groups:
            raise ValueError(
                f"The number of input channels must be evenly divisible by the number of groups. "
                f"Received groups={self.groups}, but the input has {channels} channels."
            )
        return (*self.kernel_size, channels // self.groups, self.filters)

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=self._kernel_shape(self._channels(input_shape)),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self._add_bias_weight(self.filters)

    def _explicit_padding(self) -> Any:
        """What `ops.conv` understands: "causal" is all the padding before the first step."""
        if self.padding != "causal":
            return self.padding
        return [((k - 1) * d, 0) for k, d in zip(self.kernel_size, self.dilation_rate)]

    @property
    def fused_activation(self) -> str | None:  # type: ignore[override]  # follows from the activation
        return fused_name(self.activation)

    def call(self, inputs: Any) -> Any:
        fused, rest = split_activation(self.activation)
        y = self._convolved(inputs, fused)
        return y if rest is None else rest(y)

    def call_fused(self, inputs: Any, training: bool | None, relu: bool, addend: Any = None) -> Any:
        return self._convolved(inputs, "relu" if relu else None)

    def _convolved(self, inputs: Any, activation: str | None) -> Any:
        return ops.conv(inputs, self.kernel, **self._geometry(), bias=self.bias, activation=activation)

    def call_normalised(self, inputs: Any, **options: Any) -> tuple[Any, Any, Any]:
        """The linear convolution behind batch normalisation: `ops.conv_batch_norm_training` with `options`."""
        return ops.conv_batch_norm_training(inputs, self.kernel, **self._geometry(), bias=self.bias, **options)

    def _geometry(self) -> dict[str, Any]:
        return {
            "strides": self.strides,
            "padding": self._explicit_padding(),
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "groups": self.groups,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
        }
