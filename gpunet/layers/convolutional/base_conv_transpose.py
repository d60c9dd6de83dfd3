"""What all transposed convolutional layers share."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.layers.convolutional.base_conv import BaseConv
from gpunet.layers.layer import Layer


class BaseConvTranspose(BaseConv):
    """A transposed convolution over `rank` spatial axes: the adjoint of a convolution, with bias and activation.

    Args:
        padding: "valid" gives (n − 1)·stride + max(kernel, stride) along an axis of size n, "same" gives n·stride.
        output_padding: None, an int or one per spatial axis: rows added at the high end; below the stride.
        others: as in `BaseConv`.

    Raises:
        ValueError: if `output_padding` is not below the strides, besides what `BaseConv` raises.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            1,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )
        if output_padding is not None:
            output_padding = (output_padding,) * self.rank if isinstance(output_padding, int) else tuple(output_padding)
            if any(p >= s for p, s in zip(output_padding, self.strides)):
                raise ValueError(
                    f"output_padding must be below the strides {self.strides}. "
                    f"Received: output_padding={output_padding}"
                )
        self.output_padding = output_padding

    def _kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, self.filters, channels)

    def _check_inputs(self, first: Any) -> None:
        Layer._check_inputs(self, first)  # a window may be larger than the input here

    def call(self, inputs: Any) -> Any:
        y = ops.conv_transpose(
            inputs,
            self.kernel,
            self.strides,
            self.padding,
            self.output_padding,
            self.data_format,
            self.dilation_rate,
        )
        return self._with_bias_and_activation(y)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["groups"]
        return config | {"output_padding": self.output_padding}
