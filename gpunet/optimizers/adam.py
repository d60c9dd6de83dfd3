"""Adam."""

from __future__ import annotations

from typing import Any, Unpack

from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, Options, OtherOptions, catalog


class Adam(Optimizer):
    """w −= α·m / (√v + epsilon) with moving means m of g and v of g², α = lr·√(1 − β₂ᵗ) / (1 − β₁ᵗ).

    (Kingma and Ba, arXiv:1412.6980, with epsilon as in the paper's section 2.) `amsgrad` uses the largest v so far
    (Reddi et al., arXiv:1904.09237).
    """

    arguments = ("beta_1", "beta_2", "epsilon", "amsgrad")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        self.slot_groups = [["momentum", "velocity"], *[["velocity_hat"]] * bool(amsgrad)]

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        primitive = update.amsgrad if self.amsgrad else update.adam
        options = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon, "skip": self.skip}
        primitive(*self.flat(arena, run), learning_rate, self.steps_on(arena), **options)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101).

    Raises:
        ValueError: if `weight_decay` is None.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OtherOptions],
    ):
        if weight_decay is None:
            raise ValueError("Argument `weight_decay` must be a float. Received: weight_decay=None")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **options)


catalog.add(Adam, "adam")
catalog.add(AdamW, "adamw")
