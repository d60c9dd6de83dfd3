"""Ftrl."""

from __future__ import annotations

from typing import Any, Unpack

from gpunet.backend.primitives import update
from gpunet.optimizers.arena import Arena, Run
from gpunet.optimizers.optimizer import Optimizer, Options, catalog


class Ftrl(Optimizer):
    """Follow the regularised leader, for sparse weights (McMahan et al., "Ad click prediction", KDD 2013).

    Args:
        learning_rate_power: how the rate falls with the sum of g²; 0 keeps it as it is.
        initial_accumulator_value: what the sum of g² is at first.
        l1_regularization_strength: makes small weights 0.
        l2_regularization_strength: pulls the sum of updates to 0.
        l2_shrinkage_regularization_strength: pulls weights to 0.
        beta: the β of the paper.

    Raises:
        ValueError: if a strength or the initial value is negative, or the power positive.
    """

    slot_groups = [["accumulator", "linear"]]
    arguments = (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    )

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        self._check()
        self.slot_values = {"accumulator": initial_accumulator_value}

    def _check(self) -> None:
        for name in self.arguments[1:-1]:
            if (value := getattr(self, name)) < 0:
                raise ValueError(f"`{name}` needs to be positive or zero. Received: {name}={value}.")
        if (power := self.learning_rate_power) > 0:
            raise ValueError(
                f"`learning_rate_power` needs to be negative or zero. Received: learning_rate_power={power}."
            )

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        update.ftrl(
            *self.flat(arena, run),
            learning_rate,
            power=self.learning_rate_power,
            l1=self.l1_regularization_strength,
            l2=self.l2_regularization_strength,
            shrinkage=self.l2_shrinkage_regularization_strength,
            beta=self.beta,
            skip=self.skip,
        )


catalog.add(Ftrl)
