"""RMSprop."""

from __future__ import annotations

from typing import Any, Unpack

from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, Options, catalog


class RMSprop(Optimizer):
    """w −= lr·g / √(v + epsilon) with v the moving mean of g² (Hinton, lecture 6e of "Neural networks for ML", 2012).

    Args:
        rho: decay of the moving means.
        momentum: accumulates the steps where it is not 0.
        centered: subtract the square of the moving mean of g from v.
    """

    arguments = ("rho", "momentum", "epsilon", "centered")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        extra = [["momentum"]] * bool(momentum) + [["average_gradient"]] * bool(centered)
        self.slot_groups = [["velocity"], *extra]

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        part = slice(run.start, run.stop)
        p, g, v = run.parameters, arena.gradients[part], arena.moments["velocity"][part]
        if not (self.momentum or self.centered):
            update.rmsprop(p, g, v, learning_rate, rho=self.rho, epsilon=self.epsilon, skip=self.skip)
            return
        a = arena.moments["average_gradient"][part] if self.centered else None
        m = arena.moments["momentum"][part] if self.momentum else None
        options = {"rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon, "skip": self.skip}
        update.rmsprop_general(p, g, v, a, m, learning_rate, **options)


catalog.add(RMSprop, "rmsprop")
