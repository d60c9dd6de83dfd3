"""The loop over time: a step function along a sequence, with masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet import ops, tree
from gpunet.autograd.variable import scopes


def time_major(inputs: Any) -> Any:
    """(batch, steps, ...) → (steps, batch, ...), in every tensor of a structure."""
    return tree.map_structure(lambda x: ops.swapaxes(x, 0, 1), inputs)


def run_steps(
    step: Callable,
    inputs: Any,
    states: list,
    mask: Any = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Any, Any, list]:
    """Call `step(inputs at t, states) -> (output, new states)` for every t.

    Args:
        inputs: a tensor (steps, batch, ...), or a structure of them.
        states: tensors (batch, ...), perhaps in nested lists.
        mask: (steps, batch), False where a sample's states stay as they are and its output is the one before, which
            is 0 at first.
        go_backwards: from the last step to the first.
        zero_output_for_mask: the output of a masked step is 0.

    Returns:
        (last output, all outputs (batch, steps, ...) in the order of computation or None, last states).

    Raises:
        ValueError: if there are no steps.
    """
    length = tree.flatten(inputs)[0].shape[0]
    if not length:
        raise ValueError("A recurrent layer needs at least one time step. Received: a sequence of 0 steps")
    columns = [_steps(x) for x in tree.flatten(inputs)]
    masks = None if mask is None else _steps(mask)
    order = range(len(columns[0]))
    outputs: list[Any] = []
    for t in reversed(order) if go_backwards else order:
        output, new_states = step(tree.pack_like(inputs, [column[t] for column in columns]), states)
        new_states = tree.pack_like(states, tree.flatten(new_states))
        if masks is not None:
            before = outputs[-1] if outputs and not zero_output_for_mask else ops.zeros_like(output)
            output = _where(masks[t], output, before)
            new_states = tree.map_structure(lambda new, old, m=masks[t]: _where(m, new, old), new_states, states)
        states = new_states
        outputs = outputs if return_all_outputs else []
        outputs.append(output)
    return outputs[-1], _joined(outputs, length) if return_all_outputs else None, states


def _steps(x: Any) -> list:
    """The steps of x; where only shapes are asked for, one stands for all."""
    return [x[0]] if scopes.abstract else ops.unstack(x)


def _where(mask: Any, x: Any, otherwise: Any) -> Any:
    """x for the samples in the mask (batch,)."""
    return ops.where(ops.reshape(mask, (-1,) + (1,) * (len(x.shape) - 1)), x, otherwise)


def _joined(outputs: list, length: int) -> Any:
    if len(outputs) == length:
        return ops.stack(outputs, axis=1)
    first = ops.expand_dims(outputs[0], 1)
    return ops.broadcast_to(first, (first.shape[0], length, *first.shape[2:]))
