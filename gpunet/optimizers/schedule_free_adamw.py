"""AdamW without a schedule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Unpack

from gpunet import ops
from gpunet.autograd.variable import Variable
from gpunet.optimizers.optimizer import Optimizer, Options, catalog


class ScheduleFreeAdamW(Optimizer):
    """Adam that averages its iterates instead of lowering the learning rate (Defazio et al., arXiv:2405.15682).

    z −= lr·g / (√v̂ + ε), x = the mean of all z so far, and the variable, where gradients are taken, is
    (1 − β₁)·z + β₁·x.

    Args:
        warmup_steps: the learning rate rises from 0 over so many updates.
    """

    arguments = ("beta_1", "beta_2", "epsilon", "warmup_steps")

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.warmup_steps = warmup_steps

    def build(self, variables: Iterable[Variable]) -> None:
        if self.built:
            return
        variables = list(variables)
        super().build(variables)
        self._momentums = [self.add_variable_from_reference(v, name="momentum") for v in variables]
        self._velocities = [self.add_variable_from_reference(v, name="velocity") for v in variables]
        for z, v in zip(self._momentums, variables):
            z.assign(v)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        i = self._get_variable_index(variable)
        z, velocity = self._momentums[i], self._velocities[i]
        steps, rate = ops.cast(self.iterations + 1, variable.dtype), ops.cast(learning_rate, variable.dtype)
        if self.warmup_steps:
            rate = rate * ops.minimum(steps / self.warmup_steps, 1.0)
        mean = (variable - (1.0 - self.beta_1) * z) / self.beta_1
        velocity.assign_add(ops.subtract(ops.square(gradient), velocity) * (1.0 - self.beta_2))
        scale = ops.sqrt(velocity / (1.0 - self.beta_2**steps)) + self.epsilon
        z.assign_sub(ops.multiply(gradient, rate) / scale)
        mean = (1.0 - 1.0 / steps) * mean + z / steps
        variable.assign((1.0 - self.beta_1) * z + self.beta_1 * mean)


catalog.add(ScheduleFreeAdamW)
