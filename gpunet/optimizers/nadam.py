"""Nadam."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Unpack

from gpunet.autograd.variable import Variable, name_scope
from gpunet.backend.devices import to_device
from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, Options, catalog


class Nadam(Optimizer):
    """Adam with Nesterov's momentum, which grows with the steps.

    (Dozat, "Incorporating Nesterov momentum into Adam", 2016.)
    """

    slot_groups = [["momentum", "velocity"]]
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

    def build(self, variables: Iterable[Variable]) -> None:
        variables = list(variables)
        super().build(variables)
        first = variables[0] if variables else self._learning_rate  # decides dtype and device
        with name_scope(self.name, caller=self):
            self._product = Variable(1.0, dtype=first.dtype, trainable=False, name="u_product", device=first.device)
        if self.loss_scaling is None:  # with a loss scale Keras leaves it out of files
            self._variables.append(self._product)

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote; where that lacks the product of the momenta, it is computed anew."""
        super().load_own_variables(store)
        if self.loss_scaling is not None:
            steps = range(1, int(self.iterations) + 1)
            self._product.assign(math.prod(self.beta_1 * (1 - 0.5 * 0.96**step) for step in steps))

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        options = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon, "skip": self.skip}
        state = (self.steps_on(arena), to_device(self._product.array, arena.device))
        update.nadam(*self.flat(arena, run), learning_rate, *state, **options)

    def after_arenas(self) -> None:
        update.nadam_product(self._product.array, self.iterations.array, beta_1=self.beta_1, skip=self.skip)
        self._product.touched()


catalog.add(Nadam)
