"""Lion."""

from __future__ import annotations

from typing import Any, Unpack

from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, Options, catalog


class Lion(Optimizer):
    """w −= lr·sign(β₁·m + (1 − β₁)·g), then m = β₂·m + (1 − β₂)·g (Chen et al., arXiv:2302.06675).

    Raises:
        ValueError: if `beta_1` is not in (0, 1].
    """

    slot_groups = [["momentum"]]
    arguments = ("beta_1", "beta_2")

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **options: Unpack[Options]
    ):
        super().__init__(learning_rate, **options)
        if not 0 < beta_1 <= 1:
            raise ValueError(
                f"Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer degenerates to SignSGD. "
                f"Received: beta_1={beta_1}."
            )
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        options = {"beta_1": self.beta_1, "beta_2": self.beta_2, "skip": self.skip}
        update.lion(*self.flat(arena, run), learning_rate, **options)


catalog.add(Lion)
