"""`RNN`: a cell along a sequence."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gpunet import ops, tree
from gpunet.autograd.tensor import raw
from gpunet.autograd.variable import Variable, name_scope, scopes
from gpunet.backend.devices import device_of
from gpunet.layers.layer import Layer
from gpunet.layers.recurrent.cell import RecurrentCell
from gpunet.layers.recurrent.stacked_rnn_cells import StackedRNNCells, call_cell, check_cell
from gpunet.layers.recurrent.steps import run_steps, time_major
from gpunet.serialization import deserialize, serialize


class RNN(Layer):
    """Runs a cell along (batch, steps, ...): → (batch, ...) or (batch, steps, ...).

    Args:
        cell: an object with `call(inputs, states) -> (output, new states)` and `state_size`, and perhaps `output_size`
            and `get_initial_state(batch_size)`; or a list of such cells, which are stacked.
        return_sequences: return the outputs of all steps, not of the last one only.
        return_state: return `(output, *last states)`.
        go_backwards: from the last step to the first; sequences of outputs are in that order too.
        stateful: begin where the last call ended, sample by sample; `reset_state` begins anew.
        unroll: as in Keras; it changes nothing here but that the number of steps must be known.
        zero_output_for_mask: outputs of masked steps are 0, not the output before.

    Raises:
        ValueError: if the cell has no `call` or `state_size`.
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ):
        cell = StackedRNNCells(cell) if isinstance(cell, list | tuple) else check_cell(cell, "Argument `cell`")
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        size = cell.state_size
        self.single_state = isinstance(size, int)
        self.state_size: Any = [size] if self.single_state else list(size)
        self.states: Any = None

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        shape = _first_shape(sequences_shape)
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build(_step_shape(sequences_shape))
        if self.stateful:
            self._add_states(shape[0], shape)

    def _add_states(self, batch_size: int | None, shape: Any) -> None:
        if batch_size is None:
            raise ValueError(
                f"When using `stateful=True` in a RNN, the batch size must be static. Found dynamic batch size: "
                f"sequence.shape={tuple(shape)}"
            )
        with name_scope(self.name, caller=self):
            states = tree.map_structure(
                lambda x: Variable(x, trainable=False, dtype=self.variable_dtype, name="rnn_state"),
                self.get_initial_state(batch_size),
            )
        object.__setattr__(self, "states", states)  # as in Keras, no weights: they belong to the data

    def get_initial_state(self, batch_size: int | None) -> list:
        """The states before the first step, in a list."""
        make = getattr(self.cell, "get_initial_state", None)
        if make is None:
            dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
            return [ops.zeros((batch_size, size), dtype=dtype) for size in self.state_size]
        states = make(batch_size=batch_size)
        return list(states) if tree.is_nested(states) else [states]

    def reset_state(self) -> None:
        """Begin the next call of a stateful layer with zeros."""
        for state in tree.flatten(self.states) if self.states is not None else ():
            state.assign(ops.zeros_like(state))

    reset_states = reset_state

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        states = self._first_states(tree.flatten(sequences)[0], initial_state)
        mask = None if mask is None else tree.flatten(mask)[0]
        try:
            last, outputs, states = self.inner_loop(sequences, states, mask, training=bool(training))
        finally:
            self._reset_dropout_masks()
        if self.stateful:
            for variable, state in zip(tree.flatten(self.states), tree.flatten(states)):
                variable.assign(ops.stop_gradient(state))
        output = ops.cast(outputs if self.return_sequences else last, self.compute_dtype)
        return (output, *states) if self.return_state else output

    def _first_states(self, x: Any, given: Any) -> list:
        """The states before the first step, in the compute dtype and on the device of x."""
        if self.stateful:
            expected = tree.flatten(self.states)[0].shape[0]
            if x.shape[0] != expected and not scopes.abstract:
                raise ValueError(
                    f"If an RNN is stateful, the batch size of the input sequences must be the same as the batch size "
                    f"of the initial state.\n- Expected batch size: {expected}\n- Received batch size: {x.shape[0]}"
                )
        if given is None:
            given = self.states if self.stateful else self.get_initial_state(x.shape[0])
        given = list(given) if tree.is_nested(given) else [given]
        dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
        return tree.map_structure(lambda s: _beside(x, ops.copy(ops.cast(s, dtype))), given)

    def inner_loop(self, sequences: Any, initial_state: list, mask: Any, training: bool = False) -> tuple:
        """(last output, all outputs or None, last states) of a call; a subclass may compute them otherwise."""
        inputs = time_major(sequences)
        step: Callable
        if _is_split(self.cell) and self.cell.compute_dtype == self.compute_dtype:
            inputs = self.cell.project(inputs, training)
            step = functools.partial(self.cell.advance, training=training)
        else:
            step = functools.partial(call_cell, self.cell, training=training)
        return run_steps(
            step,
            inputs,
            initial_state,
            mask=None if mask is None else time_major(ops.cast(mask, "bool")),
            go_backwards=self.go_backwards,
            zero_output_for_mask=self.zero_output_for_mask,
            return_all_outputs=self.return_sequences,
        )

    def _reset_dropout_masks(self) -> None:
        for layer in self._flatten_layers():
            if isinstance(layer, RecurrentCell):
                layer.reset_dropout_mask()
                layer.reset_recurrent_dropout_mask()

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        batch, length = _first_shape(sequences_shape)[:2]
        size = getattr(self.cell, "output_size", None)
        size = self.state_size[0] if size is None else size
        output = (batch, length, size) if self.return_sequences else (batch, size)
        return (output, *_state_shapes(self.state_size, batch)) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """The mask of the sequence where sequences are returned; states have none."""
        output = tree.flatten(mask)[0] if self.return_sequences else None
        return [output, *(None for _ in self.state_size)] if self.return_state else output

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "cell": serialize(self.cell),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer of a configuration, and its cell."""
        return super().from_config(config | {"cell": deserialize(config["cell"])} if "cell" in config else config)


def _is_split(cell: Any) -> bool:
    """Whether calling the cell is projecting and advancing: not where a subclass does something else."""
    return isinstance(cell, RecurrentCell) and type(cell).call is RecurrentCell.call


def _is_structure(shape: Any) -> bool:
    """True for a structure of shapes, False for a shape."""
    return isinstance(shape, dict) or any(tree.is_nested(n) for n in shape)


def _first_shape(shape: Any) -> Any:
    while _is_structure(shape):
        shape = next(iter(shape.values() if isinstance(shape, dict) else shape))
    return shape


def _step_shape(shape: Any) -> Any:
    """Shapes without their second axis."""
    if isinstance(shape, dict):
        return {name: _step_shape(s) for name, s in shape.items()}
    return list(map(_step_shape, shape)) if _is_structure(shape) else (shape[0], *shape[2:])


def _state_shapes(sizes: Any, batch: Any) -> list:
    return [_state_shapes(s, batch) if isinstance(s, list | tuple) else (batch, s) for s in sizes]


def _beside(x: Any, state: Any) -> Any:
    """The state on the device of x."""
    if type(raw(state)) is type(raw(x)) or scopes.abstract:
        return state
    return ops.to_device(state, device_of(raw(x)))
