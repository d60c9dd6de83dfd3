"""Adamax."""

from __future__ import annotations

from typing import Any, Unpack

from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, Options, catalog


class Adamax(Optimizer):
    """w −= lr·m / ((1 − β₁ᵗ)·(u + epsilon)) with m the moving mean of g and u = max(β₂·u, |g|).

    (Kingma and Ba, arXiv:1412.6980, section 7.1.)
    """

    slot_groups = [["momentum", "norm"]]
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

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        options = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon, "skip": self.skip}
        update.adamax(*self.flat(arena, run), learning_rate, self.steps_on(arena), **options)


catalog.add(Adamax)
