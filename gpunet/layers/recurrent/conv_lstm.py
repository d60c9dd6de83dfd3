"""Long short-term memory of convolutions, over sequences of signals, images and volumes."""

from __future__ import annotations

from typing import Any

from gpunet import activations, ops
from gpunet.config import standardize_data_format
from gpunet.layers.convolutional.base_conv import as_tuple
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.recurrent.cell import RecurrentCell
from gpunet.layers.recurrent.cell_rnn import DENSE_NAMES, CellRNN, of_cell
from gpunet.layers.recurrent.lstm import forget_bias, lstm_step


class ConvLSTMCell(RecurrentCell):
    """One step of `ConvLSTM2D` and its like: an LSTM whose products are convolutions; the states are [h, c].

    Args:
        rank: the number of spatial axes.
        filters: output channels.
        kernel_size, strides, dilation_rate: an int or one for each spatial axis.
        padding: "valid" or "same", of the inputs' convolution; that of the state is always "same".

    Raises:
        ValueError: if a size is not positive, the padding has another name, or strides and dilation are both used.
    """

    gates = 4

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ):
        super().__init__(locals(), self.gates, **kwargs)
        self.rank = rank
        self.filters = as_tuple(filters, 1, "filters")[0]
        self.kernel_size = as_tuple(kernel_size, rank, "kernel_size")
        self.strides = as_tuple(strides, rank, "strides")
        self.dilation_rate = as_tuple(dilation_rate, rank, "dilation_rate")
        self.padding = str(padding).lower()
        if self.padding not in ("valid", "same"):
            raise ValueError(f"padding must be 'valid' or 'same'. Received: padding={padding!r}")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"Specifying `strides > 1` is not compatible with `dilation_rate > 1`. "
                f"Received: strides={self.strides} and dilation_rate={self.dilation_rate}"
            )
        self.data_format = standardize_data_format(data_format)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.input_spec = InputSpec(ndim=rank + 2)
        self.state_size = [self.filters, self.filters]

    @property
    def _channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        channels = inputs_shape[self._channel_axis]
        spatial = self._spatial(inputs_shape)
        if None in spatial or channels is None:
            raise ValueError(
                f"ConvLSTM layers only support known channels and spatial sizes. "
                f"Received: input_shape={tuple(inputs_shape)}"
            )
        self.input_spec = InputSpec(shape=(None, *inputs_shape[1:]))
        self._step_shape = tuple(inputs_shape[1:])
        wide = 4 * self.filters
        first = forget_bias(self.bias_initializer, self.filters) if self.unit_forget_bias else None
        self._add_weights((*self.kernel_size, channels, wide), (*self.kernel_size, self.filters, wide), (wide,), first)

    def _spatial(self, shape: Any) -> tuple:
        return tuple(shape[1:-1] if self.data_format == "channels_last" else shape[2:])

    def project(self, inputs: Any, training: bool = False) -> Any:
        steps = inputs.ndim - self.rank - 2  # 1 for a sequence, whose steps and samples are convolved as one batch
        masks = self.get_dropout_mask(inputs[0] if steps else inputs) if training else []
        parts = [inputs * mask for mask in masks] or [inputs]
        kernels = ops.split(self.kernel, len(parts), axis=-1) if masks else [self.kernel]
        found = [self._conv_all(x, kernel, steps) for x, kernel in zip(parts, kernels)]
        y = ops.concatenate(found, axis=self._channel_axis if not steps or self._channel_axis < 0 else 2)
        return y if self.bias is None else ops.add(y, self._spread(self.bias))

    def _conv_all(self, x: Any, kernel: Any, steps: int) -> Any:
        rows = ops.reshape(x, (-1, *x.shape[2:])) if steps else x
        y = ops.conv(rows, kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        return ops.reshape(y, (*x.shape[:2], *y.shape[1:])) if steps else y

    def _spread(self, bias: Any) -> Any:
        return bias if self.data_format == "channels_last" else ops.reshape(bias, (-1,) + (1,) * self.rank)

    def advance(self, projected: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        h, c = states
        masks = self.get_recurrent_dropout_mask(h) if training else []
        parts = [h * mask for mask in masks] or [h]
        kernels = ops.split(self.recurrent_kernel, len(parts), axis=-1) if masks else [self.recurrent_kernel]
        found = [ops.conv(x, kernel, 1, "same", self.data_format) for x, kernel in zip(parts, kernels)]
        recurrent = ops.concatenate(found, axis=self._channel_axis)
        return lstm_step(self, ops.split(ops.add(projected, recurrent), 4, axis=self._channel_axis), c)

    def compute_output_shape(self, inputs_shape: Any, states_shape: Any = None) -> Any:
        """The shapes of the output and of the states."""
        shape = self._output_shape(inputs_shape)
        return shape, [shape, shape]

    def _output_shape(self, shape: Any) -> tuple:
        spatial = self._spatial(shape)
        windows = zip(spatial, self.kernel_size, self.strides, self.dilation_rate)
        if self.padding == "same":
            out = tuple(None if n is None else -(-n // s) for n, _, s, _ in windows)
        else:
            out = tuple(None if n is None else (n - (k - 1) * d - 1) // s + 1 for n, k, s, d in windows)
        last = self.data_format == "channels_last"
        return (shape[0], *out, self.filters) if last else (shape[0], self.filters, *out)

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Zeros."""
        shape = self._output_shape((batch_size, *self._step_shape))
        return [ops.zeros(shape, dtype=self.compute_dtype) for _ in range(2)]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
        }


@of_cell(
    *DENSE_NAMES[1:],
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "recurrent_activation",
    "unit_forget_bias",
)
class ConvLSTM(CellRNN):
    """An LSTM of convolutions (Shi et al., arXiv:1506.04214); a subclass sets `rank`.

    Args:
        filters, kernel_size, strides, padding, dilation_rate: as in `ConvLSTMCell`. The others as in `LSTM`.

    Raises:
        ValueError: as `ConvLSTMCell`.
    """

    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ):
        super().__init__(ConvLSTMCell, {**locals(), "rank": self.rank}, **kwargs)
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        batch, steps, *rest = sequences_shape
        state = self.cell.compute_output_shape((batch, *rest))[0]
        output = (batch, steps, *state[1:]) if self.return_sequences else state
        return (output, state, state) if self.return_state else output


class ConvLSTM1D(ConvLSTM):
    """An LSTM of 1-D convolutions: (batch, time, steps, channels) → (batch, new_steps, filters), or a sequence."""

    rank = 1


class ConvLSTM2D(ConvLSTM):
    """An LSTM of 2-D convolutions: (batch, time, rows, columns, channels) → (batch, …, filters), or a sequence."""

    rank = 2


class ConvLSTM3D(ConvLSTM):
    """An LSTM of 3-D convolutions: (batch, time, depth, rows, columns, channels) → (batch, …, filters)."""

    rank = 3
