"""Which steps may look at which: masks of attention, from those of its inputs."""

from __future__ import annotations

import functools
from typing import Any

from gpunet import ops
from gpunet.ops.attention import causal_mask


def merged_mask(
    query: Any,
    value: Any,
    query_mask: Any = None,
    value_mask: Any = None,
    key_mask: Any = None,
    given: Any = None,
    causal: bool = False,
    window: int | None = None,
) -> Any:
    """True where all masks allow it, broadcast to (batch, T, S); None where there are none.

    Args:
        query, value: (batch, T, ...) and (batch, S, ...).
        query_mask, value_mask, key_mask: (batch, T) or (batch, S).
        given: (batch, T, S).
        causal: whether steps see earlier ones only.
        window: how far a step sees, itself included.
    """
    parts = [None if given is None else ops.cast(given, "bool")]
    parts += [None if query_mask is None else ops.expand_dims(ops.cast(query_mask, "bool"), -1)]
    parts += [None if m is None else ops.expand_dims(ops.cast(m, "bool"), -2) for m in (value_mask, key_mask)]
    lengths = query.shape[1], value.shape[1]
    if causal:
        parts.append(ops.expand_dims(causal_mask(*lengths, query), 0))
    if window is not None:
        parts.append(ops.expand_dims(_band(*lengths, window, query), 0))
    found = [part for part in parts if part is not None]
    return functools.reduce(ops.logical_and, found) if found else None


def _band(rows: int, columns: int, window: int, beside: Any) -> Any:
    """True where column and row are less than `window` apart."""
    near = causal_mask(rows + window - 1, columns, beside)[window - 1 :]  # column ≤ row + window − 1
    far = causal_mask(rows, columns + window, beside)[:, window:]  # column + window ≤ row
    return ops.logical_and(near, ops.logical_not(far))


def check_window(window: Any) -> int | None:
    """None or a positive int.

    Raises:
        ValueError: otherwise.
    """
    if window is not None and (isinstance(window, bool) or not isinstance(window, int) or window <= 0):
        raise ValueError(f"`sliding_window` must be `None` or a positive integer. Received: sliding_window={window}")
    return window
