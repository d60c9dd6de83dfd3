"""Layers around one cell of their own, which has their arguments."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

from gpunet import ops
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.recurrent.rnn import RNN
from gpunet.layers.recurrent.steps import time_major
from gpunet.serialization import serialize
from gpunet.symbolic.operation import snake_case

DENSE_NAMES = (
    "units",
    "activation",
    "use_bias",
    "kernel_initializer",
    "recurrent_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "recurrent_regularizer",
    "bias_regularizer",
    "kernel_constraint",
    "recurrent_constraint",
    "bias_constraint",
    "dropout",
    "recurrent_dropout",
)


def of_cell(*names: str) -> Callable[[type], type]:
    """Decorator: attributes that a layer has from its cell."""

    def add(cls: type) -> type:
        for name in names:
            setattr(cls, name, property(operator.attrgetter(f"cell.{name}"), doc=f"The cell's {name}."))
        return cls

    return add


# What the constructors of such layers name themselves, and pass on.
_OWN = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "activity_regularizer")


class CellRNN(RNN):
    """A layer whose arguments and configuration are those of its cell, beside its own.

    Args:
        cell: the class of the cell.
        given: what the subclass's constructor was given, by name; the cell gets what it takes of it.
    """

    def __init__(self, cell: Callable[..., Any], given: dict[str, Any], **kwargs: Any):
        parameters = inspect.signature(cell).parameters.values()
        taken = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
        options = {name: kwargs.pop(name) for name in taken if name in kwargs}
        options |= {name: given[name] for name in taken if name in given}
        options |= {"dtype": kwargs.get("dtype"), "trainable": kwargs.get("trainable", True)}
        own = {name: given[name] for name in _OWN if name in given}
        super().__init__(cell(**options, name=snake_case(cell.__name__)), **own, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["cell"]
        own = {k: v for k, v in self.cell.get_config().items() if k not in ("name", "trainable", "dtype")}
        return config | own | {"activity_regularizer": serialize(self.activity_regularizer)}


class FusedRNN(CellRNN):
    """A layer whose usual case is one op for all steps.

    A subclass says in `fused` whether its arguments are that case, and has
    `_fused_loop(projected (steps, batch, …), states, mask) -> (outputs (steps, batch, …), *last states)`.

    The argument `use_cudnn` is False for step by step, True to insist on the fused op that "auto" uses where it can.

    Raises:
        ValueError: if `use_cudnn` is another value.
    """

    def __init__(self, cell: Callable[..., Any], given: dict[str, Any], **kwargs: Any):
        super().__init__(cell, given, **kwargs)
        use_cudnn = given["use_cudnn"]
        if use_cudnn not in ("auto", True, False):
            raise ValueError(
                f"Invalid value for argument `use_cudnn`. Expected one of {{'auto', True, False}}. "
                f"Received: use_cudnn={use_cudnn!r}"
            )
        self.use_cudnn = use_cudnn

    @property
    def fused(self) -> bool:
        """Whether all steps are one op."""
        return False

    def _fused_loop(self, projected: Any, states: list, mask: Any) -> tuple:
        raise NotImplementedError

    def inner_loop(self, sequences: Any, initial_state: list, mask: Any, training: bool = False) -> tuple:
        """(last output, all outputs or None, last states) of a call."""
        if not self.fused or (training and self.cell.recurrent_dropout) or not self.use_cudnn:
            self._check_not_required()
            return super().inner_loop(sequences, initial_state, mask, training)
        inputs = time_major(sequences)
        mask = None if mask is None else time_major(ops.cast(mask, "bool"))
        if self.go_backwards:
            inputs, mask = ops.flip(inputs, 0), None if mask is None else ops.flip(mask, 0)
        outputs, *states = self._fused_loop(self.cell.project(inputs, training), initial_state, mask)
        last = states[0]
        if mask is not None:
            shown = self._shown(mask)
            last = _where(shown[-1], last)
            outputs = _where(shown, outputs) if self.return_sequences else outputs
        return last, time_major(outputs) if self.return_sequences else None, list(states)

    def _check_not_required(self) -> None:
        if self.use_cudnn is True:
            raise ValueError(
                f"use_cudnn=True was specified, but layer '{self.name}' has arguments for which there is no fused "
                f"kernel. Pass use_cudnn='auto' to fallback to a non-fused implementation."
            )

    def _shown(self, mask: Any) -> Any:
        """Where outputs are the states; 0 elsewhere: in masked steps if that is wanted, and before the first other."""
        return mask if self.zero_output_for_mask else ops.greater(ops.cumsum(ops.cast(mask, "int32"), axis=0), 0)


def _where(shown: Any, states: Any) -> Any:
    return ops.where(ops.expand_dims(shown, -1), states, 0)


def has_usual_activations(cell: Any) -> bool:
    """Whether the cell's activations are tanh and sigmoid."""
    return cell.activation is ops.tanh and cell.recurrent_activation is ops.sigmoid
