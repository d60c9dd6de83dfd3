"""Several cells as one."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.layers.calling import signature_of
from gpunet.layers.layer import Layer
from gpunet.serialization import deserialize, serialize


def check_cell(cell: Any, what: str) -> Any:
    """The cell, if it has what a layer needs of it.

    Raises:
        ValueError: if it has no method `call`, or no `state_size` of integers.
    """
    if not hasattr(cell, "call"):
        raise ValueError(f"{what} should have a `call` method. Received: cell={cell}")
    if not hasattr(cell, "state_size"):
        raise ValueError(
            f"{what} should have a `state_size` attribute (single integer or list of integers, one integer per RNN "
            f"state). Received: cell={cell}"
        )
    if not isinstance(cell.state_size, list | tuple | int):
        raise ValueError(
            f"state_size must be an integer, or a list/tuple of integers (one for each state tensor). "
            f"Received: state_size={cell.state_size!r}"
        )
    return cell


def call_cell(cell: Any, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
    """(output, new states) of any cell, which need not be a layer."""
    options = {"training": training} if isinstance(cell, Layer) and signature_of(cell).takes_training else {}
    return (cell if callable(cell) else cell.call)(inputs, states, **options)


class StackedRNNCells(Layer):
    """Cells on top of each other: each takes the output of the one before; the states are those of all, in a list.

    Raises:
        ValueError: if a cell has no `call` or `state_size`.
    """

    def __init__(self, cells: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.cells = [check_cell(cell, "All cells") for cell in cells]

    @property
    def state_size(self) -> list:
        """The state sizes of the cells."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The size of the last cell's output."""
        return _output_size(self.cells[-1])

    def build(self, input_shape: Any) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], _output_size(cell))

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """The states of all cells before the first step."""
        return [self._initial_state(cell, batch_size) for cell in self.cells]

    def _initial_state(self, cell: Any, batch_size: int | None) -> Any:
        if hasattr(cell, "get_initial_state"):
            return cell.get_initial_state(batch_size=batch_size)
        sizes = cell.state_size
        if isinstance(sizes, int):
            return ops.zeros((batch_size, sizes), dtype=self.compute_dtype)
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list]:
        new_states = []
        for cell, before in zip(self.cells, states):
            is_list = isinstance(before, list | tuple)
            inputs, after = call_cell(cell, inputs, list(before) if is_list else [before], training)
            single = isinstance(after, list | tuple) and len(after) == 1 and not is_list
            new_states.append(after[0] if single else after)
        return inputs, new_states

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"cells": [serialize(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The cells of a configuration, stacked."""
        return super().from_config(config | {"cells": [deserialize(cell) for cell in config["cells"]]})


def _output_size(cell: Any) -> int:
    size = getattr(cell, "output_size", None)
    if size is not None:
        return size
    return cell.state_size[0] if isinstance(cell.state_size, list | tuple) else cell.state_size
