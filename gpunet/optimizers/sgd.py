"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, catalog


class SGD(Optimizer):
    """w −= lr·g; with momentum, v = momentum·v − lr·g and w += v, or w += momentum·v − lr·g for Nesterov's.

    Raises:
        ValueError: if `momentum` is outside [0, 1].
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "SGD",
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
        if isinstance(momentum, bool) or not isinstance(momentum, int | float | np.number) or not 0 <= momentum <= 1:
            raise ValueError(f"`momentum` must be a float between [0, 1]. Received: momentum={momentum!r}")
        self.momentum = float(momentum)
        self.nesterov = nesterov
        self.slot_groups = [["momentum"]] if momentum else []

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        part = slice(run.start, run.stop)
        if not self.momentum:
            update.sgd(run.parameters, arena.gradients[part], learning_rate, skip=self.skip)
            return
        update.momentum(
            run.parameters,
            arena.gradients[part],
            arena.moments["momentum"][part],
            learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            skip=self.skip,
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"momentum": self.momentum, "nesterov": self.nesterov}


catalog.add(SGD, "sgd")
