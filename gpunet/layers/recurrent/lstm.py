"""Long short-term memory."""

from __future__ import annotations

from typing import Any

from gpunet import activations, initializers, ops
from gpunet.layers.recurrent.cell import DenseCell
from gpunet.layers.recurrent.cell_rnn import DENSE_NAMES, FusedRNN, has_usual_activations, of_cell


def forget_bias(initializer: Any, units: int) -> Any:
    """An initializer for the biases of the gates (input, forget, cell, output): ones for the forget gate."""

    def initialize(shape: Any, dtype: Any = None) -> Any:
        parts = (initializer((units,), dtype), initializers.get("ones")((units,), dtype))
        return ops.concatenate([*parts, initializer((2 * units,), dtype)])

    return initialize


class LSTMCell(DenseCell):
    """One step of `LSTM`: states are [h, c], and h is the output. Gates are in the order input, forget, cell, output.

    Args:
        units: the size of output and states.
        unit_forget_bias: begin with a forget gate's bias of 1 (Jozefowicz et al., 2015).
        dropout, recurrent_dropout: the fractions of inputs and of states to drop while training.
        seed: of the dropout masks; chosen where None.
        implementation: 1 draws a mask for each gate, 2 one for all; recurrent dropout always draws one for each.

    Raises:
        ValueError: if `units` is not a positive integer.
    """

    gates = 4

    def __init__(
        self,
        units: int,
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
        implementation: int = 2,
        **kwargs: Any,
    ):
        implementation = 1 if recurrent_dropout else implementation
        super().__init__(locals(), self.gates if implementation == 1 else 1, **kwargs)
        self.implementation = implementation
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [self.units, self.units]

    def _first_bias(self) -> Any:
        return forget_bias(self.bias_initializer, self.units) if self.unit_forget_bias else None

    def advance(self, projected: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        h, c = states
        return lstm_step(self, ops.split(ops.add(projected, self.recur(h, training)), 4, axis=-1), c)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
        }


def lstm_step(cell: Any, gates: list, c: Any) -> tuple[Any, list]:
    """(output, new states) from the gates before their activations and the last carry."""
    i, f, g, o = gates
    c = ops.add(
        ops.multiply(cell.recurrent_activation(f), c),
        ops.multiply(cell.recurrent_activation(i), cell.activation(g)),
    )
    h = ops.multiply(cell.recurrent_activation(o), cell.activation(c))
    return h, [h, c]


@of_cell(*DENSE_NAMES, "recurrent_activation", "unit_forget_bias")
class LSTM(FusedRNN):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997): (batch, steps, in) → (batch, units), or a sequence.

    Args:
        units: the size of output and states. The others as in `LSTMCell` and `RNN`.
        use_cudnn: False for step by step, True to insist on the fused op that "auto" uses where it can.

    Raises:
        ValueError: if `units` is not a positive integer, or `use_cudnn` another value.
    """

    def __init__(
        self,
        units: int,
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
        unroll: bool = False,
        use_cudnn: bool | str = "auto",
        **kwargs: Any,
    ):
        super().__init__(LSTMCell, locals(), **kwargs)

    @property
    def fused(self) -> bool:
        """Whether all steps are one op: those of tanh and sigmoid are."""
        return has_usual_activations(self.cell)

    def _fused_loop(self, projected: Any, states: list, mask: Any) -> tuple:
        return ops.lstm(projected, self.cell.recurrent_kernel, *states, mask)
