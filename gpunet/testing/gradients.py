"""Derivatives against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunet import ops
from gpunet.autograd import GradientTape, Tensor


def _directions(rng: np.random.Generator, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [rng.standard_normal(a.shape) for a in arrays]


def _weighted_sum(outputs: Any, weights: list[np.ndarray]) -> Tensor:
    flat = [y for y in (outputs if isinstance(outputs, tuple | list) else [outputs]) if y.dtype.kind == "f"]
    while len(weights) < len(flat):
        rng = np.random.default_rng(100 + len(weights))
        weights.append(rng.standard_normal(flat[len(weights)].shape))
    total: Any = 0.0
    for y, w in zip(flat, weights):
        total = total + ops.sum(y * Tensor(w, device=y.device))
    return total


def _inner(gradients: Sequence[Tensor | None], directions: Sequence[np.ndarray]) -> Any:
    """Σ ⟨gradient, direction⟩; the number 0 where every gradient is None."""
    total: Any = 0.0
    for g, v in zip(gradients, directions):
        if g is not None:
            total = total + ops.sum(g * Tensor(v, device=g.device))
    return total


def check_gradients(
    function: Callable[..., Any],
    arrays: Sequence[Any],
    order: int = 2,
    step: float = 1e-5,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> None:
    """Compare `function`'s first and second derivatives along random directions with central differences.

    Args:
        function: of as many float64 Tensors as there are arrays; differentiable near them. It must repeat itself.
        arrays: the point, float64.
        order: 1 or 2.
        tolerance: allowed difference, relative to 1 + |derivative|.

    Raises:
        AssertionError: if a derivative differs, with both values.
    """
    points = [np.asarray(a, np.float64) for a in arrays]
    rng = np.random.default_rng(seed)
    first, second = _directions(rng, points), _directions(rng, points)
    weights: list[np.ndarray] = []

    def value(*tensors):
        return _weighted_sum(function(*tensors), weights)

    def slope(*tensors):
        """The derivative of `value` along the first direction."""
        with GradientTape() as tape:
            tape.watch(list(tensors))
            y = value(*tensors)
        return _inner(tape.gradient(y, list(tensors)), first)

    _compare(value, points, first, slope, step, tolerance, "first")
    if order > 1:

        def curvature(*tensors):
            with GradientTape() as tape:
                tape.watch(list(tensors))
                s = slope(*tensors)
            found = tape.gradient(s, list(tensors)) if isinstance(s, Tensor) else []
            return _inner(found, second)

        _compare(slope, points, second, curvature, step, tolerance, "second")


def _compare(function, points, direction, derivative, step, tolerance, name):
    ahead = float(function(*[Tensor(p + step * v) for p, v in zip(points, direction)]))
    behind = float(function(*[Tensor(p - step * v) for p, v in zip(points, direction)]))
    numeric = (ahead - behind) / (2 * step)
    exact = float(derivative(*map(Tensor, points)))
    if not abs(exact - numeric) <= tolerance * (1 + abs(numeric)):
        raise AssertionError(f"{name} derivative: {exact!r} by the tape, {numeric!r} by finite differences")
