"""Adafactor."""

from __future__ import annotations

from typing import Any, Unpack

from gpunet import ops
from gpunet.autograd.tensor import Tensor
from gpunet.autograd.variable import Variable
from gpunet.backend.primitives.update import assign
from gpunet.optimizers.arena import Arena, Segment
from gpunet.optimizers.optimizer import Optimizer, Options, catalog


class Adafactor(Optimizer):
    """Adam's step with the second moment of a matrix kept as its row and column means (arXiv:1804.04235).

    Args:
        beta_2_decay: the moment's decay is 1 − tᵇ with this b.
        epsilon_1: added to g².
        epsilon_2: the least size of a variable, by which its rate is multiplied.
        clip_threshold: the largest root mean square of a step before the rate.
        relative_step: as in Keras it changes nothing: the rate is at most 1/√t in any case.
    """

    slot_groups = [["velocity"]]
    arguments = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step
        self._factors: list[tuple[Variable, Variable, Variable]] = []

    def _add_moments(self, fresh: list[Variable], places: dict[int, tuple[Arena, Segment]]) -> None:
        for v in fresh:
            # Keras keeps an unused number for a vector, too; in files only where there is no loss scale.
            factored = len(v.shape) > 1
            shapes = (v.shape[:-1], (*v.shape[:-2], v.shape[-1])) if factored else ((), ())
            rows, columns = (self.add_variable(s, "zeros", v.dtype, name=v.name, device=v.device) for s in shapes)
            if not factored and self.loss_scaling is not None:
                del self._variables[-2:]
            self._factors.append((v, rows, columns))
            super()._add_moments([v], places)

    def update_arena(self, arena: Arena, active: tuple[bool, ...], learning_rate: Any) -> None:
        factors = {id(v): (rows, columns) for v, rows, columns in self._factors}
        steps = Tensor(self.steps_on(arena))
        for segment, wanted in zip(arena.segments, active):
            if wanted:
                v = segment.variable
                gradient, velocity = (
                    Tensor(arena.view(flat, segment)) for flat in (arena.gradients, arena.moments["velocity"])
                )
                t, rate = ops.cast(steps + 1, v.dtype), ops.cast(Tensor(learning_rate), v.dtype)
                self._step(v, gradient, velocity, *factors[id(v)], t, rate)

    def _step(self, v: Variable, g: Any, velocity: Any, rows: Variable, columns: Variable, t: Any, rate: Any) -> None:
        second = self._second_moment(ops.square(g) + self.epsilon_1, velocity, rows, columns, t)
        assign(velocity.array, self.kept(second, velocity).array)
        step = g / ops.sqrt(second)
        step = step / ops.maximum(1.0, _rms(step) / self.clip_threshold)
        limited = ops.minimum(rate, 1.0 / ops.sqrt(t))
        v.assign(self.kept(v - ops.maximum(self.epsilon_2, _rms(v)) * limited * step, v))

    def _second_moment(self, squares: Any, velocity: Any, rows: Variable, columns: Variable, t: Any) -> Any:
        decay = 1.0 - ops.power(t, self.beta_2_decay)
        if len(squares.shape) < 2:
            return decay * velocity + (1.0 - decay) * squares
        for mean, axis in ((rows, -1), (columns, -2)):
            new = decay * mean + (1.0 - decay) * ops.mean(squares, axis=axis)
            mean.assign(self.kept(new, mean))
        shares = rows / ops.mean(rows, axis=-1, keepdims=True)
        return ops.expand_dims(shares, -1) * ops.expand_dims(columns, -2)


def _rms(x: Any) -> Any:
    return ops.sqrt(ops.mean(ops.square(x)))


catalog.add(Adafactor)
