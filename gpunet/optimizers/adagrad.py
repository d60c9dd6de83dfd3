"""Adagrad."""

from __future__ import annotations

from typing import Any, Unpack

from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, Options, catalog


class Adagrad(Optimizer):
    """w −= lr·g / √(a + epsilon) with a the sum of g² (Duchi et al., JMLR 12, 2011).

    Args:
        initial_accumulator_value: what a is at first.
    """

    slot_groups = [["accumulator"]]
    arguments = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon
        self.slot_values = {"accumulator": initial_accumulator_value}

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        update.adagrad(*self.flat(arena, run), learning_rate, epsilon=self.epsilon, skip=self.skip)


catalog.add(Adagrad)
