"""Gated recurrent units."""

from __future__ import annotations

from typing import Any

from gpunet import activations, ops
from gpunet.layers.recurrent.cell import DenseCell
from gpunet.layers.recurrent.cell_rnn import DENSE_NAMES, FusedRNN, has_usual_activations, of_cell


class GRUCell(DenseCell):
    """One step of `GRU`: the state is the output. Gates are in the order update, reset, candidate.

    Args:
        units: the size of output and state.
        dropout, recurrent_dropout: the fractions of inputs and of states to drop while training.
        reset_after: the reset gate is applied after the product with the recurrent kernel, which then has a bias of its
            own, or to the state before it.
        seed: of the dropout masks; chosen where None.
        implementation: 1 draws a mask for each gate, 2 one for all; recurrent dropout always draws one for each.

    Raises:
        ValueError: if `units` is not a positive integer.
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
        seed: Any = None,
        implementation: int = 2,
        **kwargs: Any,
    ):
        implementation = 1 if recurrent_dropout else implementation
        super().__init__(locals(), self.gates if implementation == 1 else 1, **kwargs)
        self.implementation = implementation
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after

    def _bias_shape(self, wide: int) -> tuple:
        return (2, wide) if self.reset_after else (wide,)

    @property
    def input_bias(self) -> Any:
        return self.bias[0] if self.use_bias and self.reset_after else self.bias

    @property
    def recurrent_bias(self) -> Any:
        """The bias of the recurrent product, None where there is none."""
        return self.bias[1] if self.use_bias and self.reset_after else None

    def advance(self, projected: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        nested = isinstance(states, list | tuple)
        h = states[0] if nested else states
        x_z, x_r, x_h = ops.split(projected, 3, axis=-1)
        z, r, candidate = self._recurrent_parts(h, training)
        z = self.recurrent_activation(ops.add(x_z, z))
        r = self.recurrent_activation(ops.add(x_r, r))
        candidate = ops.multiply(r, candidate) if self.reset_after else self._candidate(ops.multiply(r, h), training)
        candidate = self.activation(ops.add(x_h, candidate))
        h = ops.add(ops.multiply(z, h), ops.multiply(ops.subtract(1, z), candidate))
        return h, [h] if nested else h

    def _recurrent_parts(self, h: Any, training: bool) -> Any:
        """The state's share of each gate; the candidate's only where the reset gate is applied after the product."""
        if not self.reset_after:
            masks = self.get_recurrent_dropout_mask(h)[:2] if training else []
            kernels = ops.split(self.recurrent_kernel, 3, axis=1)[:2]
            return (*(ops.matmul(h * m if m is not None else h, k) for m, k in zip(masks or [None] * 2, kernels)), None)
        inner = self.recur(h, training)
        if self.recurrent_bias is not None:
            inner = ops.add(inner, self.recurrent_bias)
        return ops.split(inner, 3, axis=-1)

    def _candidate(self, reset: Any, training: bool) -> Any:
        masks = self.get_recurrent_dropout_mask(reset) if training else []
        return ops.matmul(reset * masks[2] if masks else reset, self.recurrent_kernel[:, 2 * self.units :])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "reset_after": self.reset_after,
        }


@of_cell(*DENSE_NAMES, "recurrent_activation", "reset_after")
class GRU(FusedRNN):
    """Gated recurrent units (Cho et al., arXiv:1406.1078): (batch, steps, in) → (batch, units), or a sequence.

    Args:
        units: the size of output and state. The others as in `GRUCell` and `RNN`.
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
        reset_after: bool = True,
        use_cudnn: bool | str = "auto",
        **kwargs: Any,
    ):
        super().__init__(GRUCell, locals(), **kwargs)

    @property
    def fused(self) -> bool:
        """Whether all steps are one op: those of tanh and sigmoid are, with the reset after the product."""
        return self.cell.reset_after and has_usual_activations(self.cell)

    def _fused_loop(self, projected: Any, states: list, mask: Any) -> tuple:
        return ops.gru(projected, self.cell.recurrent_kernel, self.cell.recurrent_bias, states[0], mask)
