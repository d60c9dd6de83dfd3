"""Batches as users and steps have them: x, (x, y) or (x, y, sample_weight)."""

from __future__ import annotations

from typing import Any


def unpack_batch(data: Any) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight) of a batch given as x, (x,), (x, y) or (x, y, sample_weight).

    Raises:
        ValueError: on a longer tuple.
    """
    if isinstance(data, list) and len(data) in (1, 2, 3):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            f"Data is expected to be in format `x`, `(x,)`, `(x, y)`, or `(x, y, sample_weight)`. "
            f"Received: a tuple of {len(data)}"
        )
    return (*data, None, None)[:3]


def pack_batch(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """A batch in the shortest form that `unpack_batch` reads back."""
    if y is None and sample_weight is None:
        return (x,) if isinstance(x, tuple | list) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)
