"""What sequence of labels outputs spell, the other side of `ctc_loss`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from gpunet.autograd.tensor import raw, wrap
from gpunet.backend.devices import device_of, to_device, to_host
from gpunet.ops import elementwise as el
from gpunet.ops.activation import log_softmax
from gpunet.ops.indexing import argsort, take_along_axis
from gpunet.ops.joining import pad
from gpunet.ops.operands import cast_to, float_operand, operand
from gpunet.ops.reduction import argmax
from gpunet.ops.reduction import max as max_
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import expand_dims
from gpunet.symbolic.ops import symbolic_op


@symbolic_op
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[Any, Any]:
    """The likeliest sequences of labels for logits (batch, steps, classes), −1 behind their ends, and their scores.

    Args:
        sequence_lengths: how many steps of each sample count, (batch,).
        strategy: "greedy" takes the largest logit of each step, "beam_search" adds up all alignments of the
            `beam_width` likeliest beginnings (Graves, 2012), on the host.
        top_paths: how many sequences of each sample the beam search returns.
        merge_repeated: whether "greedy" takes equal neighbours for one label.
        mask_index: the class that stands for no label.

    Returns:
        int32 labels (paths, batch, steps); for "greedy" −Σ of the logits taken, (batch, 1), for "beam_search"
        logarithms of probabilities, (batch, top_paths).

    Raises:
        ValueError: on another strategy, or inputs of another rank.
    """
    inputs = float_operand(inputs)
    inputs = inputs if inputs.dtype.itemsize == 8 else cast_to(inputs, "float32")
    lengths = cast_to(operand(sequence_lengths), "int32")
    if inputs.ndim != 3:
        raise ValueError(f"ctc_decode expected (batch, steps, classes). Received: shape={tuple(inputs.shape)}")
    if strategy == "greedy":
        return _greedy(inputs, lengths, merge_repeated, mask_index)
    if strategy == "beam_search":
        return _beam_search(inputs, lengths, beam_width, top_paths, mask_index)
    raise ValueError(f"Invalid strategy {strategy}. Supported values are 'greedy' and 'beam_search'.")


def _greedy(inputs: Any, lengths: Any, merge_repeated: bool, blank: int) -> tuple[Any, Any]:
    steps = inputs.shape[1]
    time = to_device(np.arange(steps, dtype="int32")[None], device_of(raw(inputs)))
    over = el.greater_equal(time, expand_dims(lengths, 1))
    best = el.where(over, blank, argmax(inputs, axis=-1))
    scores = el.where(over, 0.0, max_(inputs, axis=-1))
    if merge_repeated:
        same = el.equal(best[:, 1:], best[:, :-1])
        best = el.where(pad(same, [(0, 0), (1, 0)]), blank, best)
    is_blank = el.equal(best, blank)
    labels = el.where(is_blank, -1, best)
    order = argsort(el.where(is_blank, steps, time + el.multiply(best, 0)), axis=-1)
    return expand_dims(take_along_axis(labels, order, -1), 0), el.negative(sum_(scores, 1, keepdims=True))


def _beam_search(inputs: Any, lengths: Any, width: int, paths: int, blank: int) -> tuple[Any, Any]:
    logp, counts = to_host(raw(log_softmax(inputs))), to_host(raw(lengths))
    batch, steps, _ = logp.shape
    labels = np.full((paths, batch, steps), -1, "int32")
    scores = np.full((batch, paths), -np.inf, logp.dtype)
    for n in range(batch):
        for k, (path, score) in enumerate(_beams(logp[n, : counts[n]], width, blank)[:paths]):
            labels[k, n, : len(path)] = path
            scores[n, k] = score
    place = device_of(raw(inputs))
    found = to_device(labels, place), to_device(scores, place)
    return (found[0], found[1]) if raw(inputs) is inputs else (wrap(found[0]), wrap(found[1]))


def _beams(logp: np.ndarray, width: int, blank: int) -> list[tuple[tuple[int, ...], float]]:
    """Sequences with the logarithms of their probabilities, the likeliest first, for one sample (steps, classes)."""
    # Of each beginning: the probability of its alignments that end with no label, and with its last one.
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    for step in logp:
        grown: defaultdict[tuple[int, ...], list[float]] = defaultdict(lambda: [-np.inf, -np.inf])
        for path, (ended, open_) in beams.items():
            both = np.logaddexp(ended, open_)
            grown[path][0] = np.logaddexp(grown[path][0], both + step[blank])
            for label, p in enumerate(step):
                if label == blank:
                    continue
                longer = grown[(*path, label)]
                again = bool(path) and path[-1] == label
                longer[1] = np.logaddexp(longer[1], (ended if again else both) + p)
                if again:
                    grown[path][1] = np.logaddexp(grown[path][1], open_ + p)
        best = sorted(grown.items(), key=lambda item: -np.logaddexp(item[1][0], item[1][1]))[:width]
        beams = {path: (ended, open_) for path, (ended, open_) in best}
    return [(path, float(np.logaddexp(*parts))) for path, parts in beams.items()]
