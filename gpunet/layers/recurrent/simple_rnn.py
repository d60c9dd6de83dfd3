"""The plain recurrent network."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.layers.recurrent.cell import DenseCell
from gpunet.layers.recurrent.cell_rnn import DENSE_NAMES, CellRNN, of_cell


class SimpleRNNCell(DenseCell):
    """One step of `SimpleRNN`: activation(x @ kernel + bias + h @ recurrent_kernel), which is the output and the state.

    Args:
        units: the size of output and state.
        dropout, recurrent_dropout: the fractions of inputs and of states to drop while training.
        seed: of the dropout masks; chosen where None.

    Raises:
        ValueError: if `units` is not a positive integer.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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
        super().__init__(locals(), **kwargs)

    def advance(self, projected: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        nested = isinstance(states, list | tuple)
        h = self.activation(ops.add(projected, self.recur(states[0] if nested else states, training)))
        return h, [h] if nested else h


@of_cell(*DENSE_NAMES)
class SimpleRNN(CellRNN):
    """The fully connected recurrent network: (batch, steps, in) → (batch, units) or (batch, steps, units).

    Args:
        units: the size of output and state. The others as in `SimpleRNNCell` and `RNN`.

    Raises:
        ValueError: if `units` is not a positive integer.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ):
        super().__init__(SimpleRNNCell, locals(), **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["seed"]  # as in Keras
        return config
