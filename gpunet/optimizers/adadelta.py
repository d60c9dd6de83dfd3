"""Adadelta."""

from __future__ import annotations

from typing import Any, Unpack

from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, Options, catalog


class Adadelta(Optimizer):
    """w −= lr·s with s = g·√(d + epsilon) / √(a + epsilon), a and d the moving means of g² and s² (arXiv:1212.5701).

    Args:
        learning_rate: 1.0 is the rule of the paper.
        rho: decay of the moving means.
    """

    slot_groups = [["accumulated_grad", "accumulated_delta_var"]]
    arguments = ("rho", "epsilon")

    def __init__(
        self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **options: Unpack[Options]
    ):
        super().__init__(learning_rate, **options)
        self.rho = rho
        self.epsilon = epsilon

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        update.adadelta(*self.flat(arena, run), learning_rate, rho=self.rho, epsilon=self.epsilon, skip=self.skip)


catalog.add(Adadelta)
