"""Lamb."""

from __future__ import annotations

from typing import Any, Unpack

from gpunet import ops
from gpunet.autograd.tensor import Tensor
from gpunet.autograd.variable import Variable
from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, Options, catalog


class Lamb(Optimizer):
    """w −= lr·(‖w‖ / ‖s‖)·s with s the step of Adam, norms over each variable (You et al., arXiv:1904.00962).

    The ratio is 1 where a norm is 0.
    """

    slot_groups = [["momentum", "velocity"]]
    arguments = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def update_arena(self, arena: Arena, active: tuple[bool, ...], learning_rate: Any) -> None:
        super().update_arena(arena, active, learning_rate)
        for segment, wanted in zip(arena.segments, active):
            if wanted:
                self._step(segment.variable, Tensor(arena.view(arena.gradients, segment)), Tensor(learning_rate))

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        options = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon, "skip": self.skip}
        update.lamb_direction(*self.flat(arena, run)[1:], self.steps_on(arena), **options)

    def _step(self, variable: Variable, direction: Tensor, learning_rate: Tensor) -> None:
        w_norm, s_norm = (ops.sqrt(ops.sum(ops.square(x))) for x in (variable, direction))
        both = ops.logical_and(w_norm > 0, s_norm > 0)
        ratio = ops.where(both, w_norm / ops.where(both, s_norm, 1.0), 1.0)
        step = ratio * ops.cast(learning_rate, variable.dtype) * direction
        variable.assign(self.kept(variable - step, variable))


catalog.add(Lamb)
