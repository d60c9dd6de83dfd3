"""Adam."""

from __future__ import annotations

from typing import Any

from gpunet.backend.devices import to_device
from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, catalog


class Adam(Optimizer):
    """w −= α·m / (√v + epsilon) with moving means m of g and v of g², α = lr·√(1 − β₂ᵗ) / (1 − β₁ᵗ).

    (Kingma and Ba, arXiv:1412.6980, with epsilon as in the paper's section 2.) `amsgrad` uses the largest v so far
    (Reddi et al., arXiv:1904.09237).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "adam",
    ):
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
        )
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        self.slot_groups = [["momentum", "velocity"], *[["velocity_hat"]] * bool(amsgrad)]

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        part = slice(run.start, run.stop)
        moments = [arena.moments[slot][part] for group in self.slot_groups for slot in group]
        primitive = update.amsgrad if self.amsgrad else update.adam
        primitive(
            run.parameters,
            arena.gradients[part],
            *moments,
            learning_rate,
            to_device(self.iterations.array, arena.device),
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            skip=self.skip,
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }


catalog.add(Adam, "adam")
