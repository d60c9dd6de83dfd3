"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, Options, catalog


class SGD(Optimizer):
    """w −= lr·g; with momentum, v = momentum·v − lr·g and w += v, or w += momentum·v − lr·g for Nesterov's.

    Raises:
        ValueError: if `momentum` is outside [0, 1].
    """

    arguments = ("momentum", "nesterov")

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        if isinstance(momentum, bool) or not isinstance(momentum, int | float | np.number) or not 0 <= momentum <= 1:
            raise ValueError(f"`momentum` must be a float between [0, 1]. Received: momentum={momentum!r}")
        self.momentum = float(momentum)
        self.nesterov = nesterov
        self.slot_groups = [["momentum"]] if momentum else []

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        flat = self.flat(arena, run)
        if self.momentum:
            options = {"momentum": self.momentum, "nesterov": self.nesterov, "skip": self.skip}
            update.momentum(*flat, learning_rate, **options)
        else:
            update.sgd(*flat, learning_rate, skip=self.skip)


catalog.add(SGD, "sgd")
