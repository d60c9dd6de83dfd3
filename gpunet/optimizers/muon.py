"""Muon."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Unpack

from gpunet import ops
from gpunet.autograd.variable import Variable
from gpunet.optimizers.optimizer import Optimizer, OtherOptions, catalog


class Muon(Optimizer):
    """Momentum whose matrices are made nearly orthogonal (Jordan et al., 2024; Liu et al., arXiv:2502.16982).

    Variables that are not matrices, embeddings and excluded layers are updated by Adam, in the same optimizer.

    Args:
        adam_beta_1, adam_beta_2, epsilon: of Adam.
        adam_weight_decay: what Adam's variables decay with, as the others with `weight_decay`.
        exclude_layers: patterns; a variable whose path has one is left to Adam, as the last layer should be.
        exclude_embeddings: leave variables with "embedding" in their path to Adam.
        muon_a, muon_b, muon_c: coefficients of the Newton–Schulz iteration, of which there are `ns_steps`.
        adam_lr_ratio: Adam's learning rate divided by that of the matrices.
        momentum, nesterov: as in SGD.
        rms_rate: the size of updates of matrices relative to Adam's; None leaves them as they are.
    """

    arguments = (
        *("adam_beta_1", "adam_beta_2", "epsilon", "exclude_layers", "muon_a", "muon_b", "muon_c", "adam_lr_ratio"),
        *("momentum", "ns_steps", "nesterov", "exclude_embeddings", "adam_weight_decay", "rms_rate"),
    )

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **options: Unpack[OtherOptions],
    ):
        super().__init__(learning_rate, weight_decay, **options)
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = epsilon
        self.exclude_layers = list(exclude_layers or [])
        self.exclude_embeddings = exclude_embeddings
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate

    def build(self, variables: Iterable[Variable]) -> None:
        if self.built:
            return
        variables = list(variables)
        super().build(variables)
        self.momentums: list[Variable] = []
        self.adam_velocities: list[Variable | None] = []
        for v in variables:
            self.momentums.append(self.add_variable_from_reference(v, name="momentum"))
            adam = self._should_use_adamw(v)
            self.adam_velocities.append(self.add_variable_from_reference(v, name="velocity") if adam else None)

    def _should_use_adamw(self, variable: Variable) -> bool:
        if len(variable.shape) != 2 or (self.exclude_embeddings and "embedding" in variable.path.lower()):
            return True
        return any(re.search(pattern, variable.path) for pattern in self.exclude_layers)

    def decay_of(self, variable: Variable) -> float | None:
        return self.adam_weight_decay if self._should_use_adamw(variable) else self.weight_decay

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        i = self._get_variable_index(variable)
        momentum, velocity = self.momentums[i], self.adam_velocities[i]
        if velocity is not None:
            rate = ops.multiply(learning_rate, self.adam_lr_ratio)
            self._adam_step(gradient, variable, ops.cast(rate, variable.dtype), momentum, velocity)
            return
        momentum.assign(ops.add(gradient, momentum * self.momentum))
        direction = ops.add(gradient, momentum * self.momentum) if self.nesterov else momentum
        step = self.lr_adjust(self.zeropower_via_newtonschulz5(direction, self.ns_steps))
        variable.assign_sub(ops.multiply(step, ops.cast(learning_rate, variable.dtype)))

    def _adam_step(self, gradient: Any, variable: Variable, rate: Any, momentum: Variable, velocity: Variable) -> None:
        steps = ops.cast(self.iterations + 1, variable.dtype)
        rate = rate * ops.sqrt(1.0 - self.adam_beta_2**steps) / (1.0 - self.adam_beta_1**steps)
        momentum.assign_add(ops.subtract(gradient, momentum) * (1.0 - self.adam_beta_1))
        velocity.assign_add(ops.subtract(ops.square(gradient), velocity) * (1.0 - self.adam_beta_2))
        variable.assign_sub(momentum * rate / (ops.sqrt(velocity) + self.epsilon))

    def lr_adjust(self, x: Any) -> Any:
        """A matrix of orthonormal rows or columns scaled to the size of Adam's updates: rms_rate·√(longer side)."""
        return x if self.rms_rate is None else x * (math.sqrt(max(x.shape)) * self.rms_rate)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """Nearly U·Vᵀ of x = U·S·Vᵀ, by `steps` of the iteration x ← a·x + (b·A + c·A²)·x with A = x·xᵀ.

        Raises:
            ValueError: if x has fewer than two axes.
        """
        if len(x.shape) < 2:
            raise ValueError(
                f"Expected gradient or momentum to have at least 2 dimensions. Received: shape={tuple(x.shape)}"
            )
        tall = x.shape[-2] > x.shape[-1]
        x = ops.swapaxes(x, -2, -1) if tall else x
        x = x / (ops.sqrt(ops.sum(ops.square(x), axis=(-2, -1), keepdims=True)) + 1e-7)
        for _ in range(steps):
            a = ops.matmul(x, ops.swapaxes(x, -2, -1))
            x = self.muon_a * x + ops.matmul(self.muon_b * a + self.muon_c * ops.matmul(a, a), x)
        return ops.swapaxes(x, -2, -1) if tall else x


catalog.add(Muon)
