"""What an optimizer can keep beside its moments: averages of the variables, and sums of gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gpunet import ops
from gpunet.autograd.variable import Variable


class MovingAverage:
    """Moving averages of variables: average = momentum·average + (1 − momentum)·variable, from the first update on.

    Raises:
        ValueError: if the momentum is outside [0, 1], or `overwrite_frequency` is not a positive integer.
    """

    def __init__(self, momentum: float, overwrite_frequency: int | None):
        if not 0 <= momentum <= 1:
            raise ValueError(f"ema_momentum must be in [0, 1]. Received: ema_momentum={momentum}")
        if overwrite_frequency is not None and (not isinstance(overwrite_frequency, int) or overwrite_frequency < 1):
            raise ValueError(
                f"ema_overwrite_frequency must be a positive integer or None. "
                f"Received: ema_overwrite_frequency={overwrite_frequency!r}"
            )
        self.momentum = momentum
        self.overwrite_frequency = overwrite_frequency
        self.pairs: list[tuple[Variable, Variable]] = []

    def extend(self, optimizer: Any, variables: Iterable[Variable]) -> None:
        """Keep averages of more variables."""
        self.pairs += [(v, optimizer.add_variable_from_reference(v, name="average")) for v in variables]

    def update(self, iteration: int) -> None:
        """Move the averages after the update with this number; number 0 sets them."""
        momentum = self.momentum if iteration else 0.0
        for variable, average in self.pairs:
            average.assign(average * momentum + variable * (1.0 - momentum))
        if self.overwrite_frequency and (iteration + 1) % self.overwrite_frequency == 0:
            self.overwrite(variable for variable, _ in self.pairs)

    def overwrite(self, variables: Iterable[Variable]) -> None:
        """Let the averages take the place of these variables."""
        wanted = {id(v) for v in variables}
        for variable, average in self.pairs:
            if id(variable) in wanted:
                variable.assign(average)


class Accumulation:
    """Sums of gradients over several calls, whose mean is one update's gradient.

    Raises:
        ValueError: if `steps` is not an integer above 1.
    """

    def __init__(self, steps: int):
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 2:
            raise ValueError(
                f"gradient_accumulation_steps must be an integer above 1, or None. "
                f"Received: gradient_accumulation_steps={steps!r}"
            )
        self.steps = steps
        self.done = 0
        self.pairs: list[tuple[Variable, Variable]] = []

    def extend(self, optimizer: Any, variables: Iterable[Variable]) -> None:
        """Keep sums for more variables."""
        self.pairs += [(v, optimizer.add_variable_from_reference(v, name="gradient_accumulator")) for v in variables]

    def add(self, grads: Sequence[Any], variables: Sequence[Variable]) -> list[Any]:
        """Take the gradients of one call; return the means at every `steps`-th, else nothing."""
        sums = {id(v): total for v, total in self.pairs}
        for g, v in zip(grads, variables):
            if g is not None:
                sums[id(v)].assign_add(g)
        self.done = (self.done + 1) % self.steps
        if self.done:
            return []
        means = [None if g is None else (sums[id(v)] / self.steps).array for g, v in zip(grads, variables)]
        for v in variables:
            sums[id(v)].assign(ops.zeros_like(v))
        return means
