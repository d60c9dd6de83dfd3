"""Derivatives against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunet import ops, tree
from gpunet.autograd import GradientTape, Tensor
from gpunet.backend.devices import CPU, Device


def check_gradients(
    function: Callable[..., Any],
    arrays: Sequence[Any],
    order: int = 2,
    step: float = 1e-5,
    tolerance: float = 1e-6,
    seed: int = 0,
    device: Device = CPU,
) -> None:
    """Compare `function`'s first and second derivatives along random directions with central differences.

    Args:
        function: of as many float64 Tensors as there are arrays, smooth near them; it returns a Tensor or a structure
            of them. Called again it must return the same.
        arrays: the point, float64.
        order: 1 or 2; 0 checks that no derivative is reported.
        tolerance: allowed difference, relative to 1 + |derivative|.
        device: where the Tensors are.

    Raises:
        AssertionError: if a derivative differs, with both values.
    """
    probe = _Probe(function, [np.asarray(a, np.float64) for a in arrays], seed, device)
    if order == 0:
        probe.assert_constant()
        return
    probe.compare(probe.value, probe.first, probe.slope, step, tolerance, "first")
    if order > 1:
        probe.compare(probe.slope, probe.second, probe.curvature, step, tolerance, "second")


class _Probe:
    """A scalar made of the function's results, and its derivatives along two directions."""

    def __init__(self, function: Callable, points: list[np.ndarray], seed: int, device: Device):
        rng = np.random.default_rng(seed)
        self.function = function
        self.points = points
        self.first = [rng.standard_normal(p.shape) for p in points]
        self.second = [rng.standard_normal(p.shape) for p in points]
        self.device = device

    def tensors(self, points: Sequence[np.ndarray]) -> list[Tensor]:
        return [Tensor(p, device=self.device) for p in points]

    def moved(self, step: float, direction: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [np.asarray(p + step * v) for p, v in zip(self.points, direction)]

    def outputs(self, *tensors: Tensor) -> list[Tensor]:
        return [y for y in tree.flatten(self.function(*tensors)) if y.dtype.kind == "f"]

    def value(self, *tensors: Tensor) -> Any:
        """The results' sum with fixed random weights."""
        rng = np.random.default_rng(100)
        outputs = self.outputs(*tensors)
        return self.inner(outputs, [rng.standard_normal(y.shape) for y in outputs])

    def inner(self, tensors: Sequence[Tensor | None], weights: Sequence[np.ndarray]) -> Any:
        """Σ ⟨tensor, weights⟩; the number 0 where every tensor is None."""
        total: Any = 0.0
        for x, w in zip(tensors, weights):
            if x is not None:
                total = total + ops.sum(x * Tensor(w, device=self.device))
        return total

    def slope(self, *tensors: Tensor) -> Any:
        """The derivative of `value` along the first direction."""
        return self.along(self.value, self.first, tensors)

    def curvature(self, *tensors: Tensor) -> Any:
        """The derivative of `slope` along the second direction."""
        return self.along(self.slope, self.second, tensors)

    def along(self, function: Callable, direction: Sequence[np.ndarray], tensors: Sequence[Tensor]) -> Any:
        with GradientTape() as tape:
            tape.watch(list(tensors))
            y = function(*tensors)
        if not isinstance(y, Tensor):
            return 0.0
        found = tape.gradient(y, list(tensors))
        for g, x in zip(found, tensors):
            if g is not None and (g.shape != x.shape or g.dtype != x.dtype):
                raise AssertionError(f"a gradient has {g.shape}, {g.dtype} where its source has {x.shape}, {x.dtype}")
        return self.inner(found, direction)

    def compare(
        self,
        function: Callable,
        direction: Sequence[np.ndarray],
        derivative: Callable,
        step: float,
        tolerance: float,
        name: str,
    ) -> None:
        ahead = float(function(*self.tensors(self.moved(step, direction))))
        behind = float(function(*self.tensors(self.moved(-step, direction))))
        numeric = (ahead - behind) / (2 * step)
        exact = float(derivative(*self.tensors(self.points)))
        if not abs(exact - numeric) <= tolerance * (1 + abs(numeric)):
            raise AssertionError(f"{name} derivative: {exact!r} by the tape, {numeric!r} by finite differences")

    def assert_constant(self) -> None:
        slope = float(self.slope(*self.tensors(self.points)))
        if slope != 0:
            raise AssertionError(f"first derivative: {slope!r} by the tape, expected none")
