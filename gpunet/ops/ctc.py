"""Connectionist temporal classification: the likelihood of a sequence of labels under outputs at more time steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.ops import elementwise as el
from gpunet.ops.activation import log_softmax
from gpunet.ops.creation import full_like
from gpunet.ops.indexing import take_along_axis
from gpunet.ops.joining import concatenate, stack
from gpunet.ops.operands import cast_to, float_operand, operand
from gpunet.ops.reduction import logsumexp
from gpunet.ops.views import expand_dims, reshape
from gpunet.symbolic.ops import symbolic_op

_IMPOSSIBLE = -1e30  # the logarithm of a probability of 0, whose gradient stays finite


@symbolic_op
def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """−log of the probability that the outputs spell the targets, summed over alignments (Graves et al., 2006).

    Args:
        target: integer labels (batch, labels).
        output: logits (batch, steps, classes).
        target_length: how many labels of each sample count, (batch,).
        output_length: how many steps of each sample count, (batch,).
        mask_index: the class that stands for no label.

    Returns:
        (batch,) losses; 1e30 where there are too few steps for the labels.

    Raises:
        ValueError: if the ranks or the batch sizes differ from these.
    """
    target, output = cast_to(operand(target), "int32"), float_operand(output)
    target_length, output_length = (cast_to(operand(n), "int32") for n in (target_length, output_length))
    if target.ndim != 2 or output.ndim != 3 or target.shape[0] != output.shape[0]:
        raise ValueError(
            f"ctc_loss expected target (batch, labels) and output (batch, steps, classes). "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    path = _with_blanks(target, mask_index)
    steps, (batch, places) = output.shape[1], path.shape
    wide = expand_dims(path, 1) + cast_to(el.multiply(output[:, :, :1], 0), "int32")  # (batch, steps, places)
    logp = take_along_axis(log_softmax(output), wide, axis=2)
    may_skip = _may_skip(path)
    start = np.arange(places) < 2
    alpha = el.where(start, logp[:, 0], _IMPOSSIBLE)
    for t in range(1, steps):
        moved = _advanced(alpha, may_skip) + logp[:, t]
        alpha = el.where(expand_dims(output_length > t, 1), moved, alpha)
    last = expand_dims(2 * target_length, 1)  # the blank behind the last label, or that label
    ends = [take_along_axis(alpha, last, axis=1), take_along_axis(alpha, el.maximum(last - 1, 0), axis=1)]
    ends[1] = el.where(expand_dims(target_length > 0, 1), ends[1], _IMPOSSIBLE)
    return el.negative(reshape(logsumexp(concatenate(ends, axis=1), axis=1), (batch,)))


def _with_blanks(target: Any, blank: int) -> Any:
    """blank, label, blank, …, label, blank: (batch, 2·labels + 1)."""
    batch, labels = target.shape
    pairs = reshape(stack([full_like(target, blank), target], axis=2), (batch, 2 * labels))
    return concatenate([pairs, full_like(target[:, :1], blank)], axis=1)


def _may_skip(path: Any) -> Any:
    """Where the blank in front may be left out: at a label other than the one before it."""
    return concatenate([el.not_equal(path[:, :2], path[:, :2]), el.not_equal(path[:, 2:], path[:, :-2])], axis=1)


def _advanced(alpha: Any, may_skip: Any) -> Any:
    """The log probability of being at each place of the path after one more step, without that step's output."""
    nowhere = full_like(alpha[:, :2], _IMPOSSIBLE)
    from_one = concatenate([nowhere[:, :1], alpha[:, :-1]], axis=1)
    from_two = el.where(may_skip, concatenate([nowhere, alpha[:, :-2]], axis=1), _IMPOSSIBLE)
    return logsumexp(stack([alpha, from_one, from_two], axis=0), axis=0)
