"""Limits of gradients: of their elements, of each one's norm, or of the norm of all together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunet import ops


def check_limits(**limits: float | None) -> None:
    """Raise an error unless at most one of the limits is set, and positive.

    Raises:
        ValueError: otherwise.
    """
    if sum(value is not None for value in limits.values()) > 1:
        raise ValueError(f"Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: {limits}")
    for key, value in limits.items():
        if value is not None and not value > 0:
            raise ValueError(f"{key} must be positive. Received: {key}={value}")


def clip(
    grads: list[Any],
    clipnorm: float | None = None,
    clipvalue: float | None = None,
    global_clipnorm: float | None = None,
) -> list[Any]:
    """The gradients within the first limit that is set; those that are None stay None."""
    if clipvalue is not None:
        return [g if g is None else ops.clip(g, -clipvalue, clipvalue) for g in grads]
    if clipnorm is not None:
        return [g if g is None else _limit(g, _norm([g]), clipnorm) for g in grads]
    if global_clipnorm is not None:
        norm = _norm([g for g in grads if g is not None])
        return [g if g is None else _limit(g, norm, global_clipnorm) for g in grads]
    return grads


def _norm(grads: Sequence[Any]) -> Any:
    total: Any = 0.0
    for g in grads:
        total = ops.add(ops.sum(ops.square(g)), total)
    return ops.sqrt(total)


def _limit(g: Any, norm: Any, limit: float) -> Any:
    """g scaled so that `norm` becomes at most `limit`."""
    return ops.divide(ops.multiply(g, limit), ops.maximum(norm, limit))
