"""Dynamic loss scaling for training in float16."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpunet import ops
from gpunet.autograd.variable import Variable
from gpunet.backend.devices import as_array
from gpunet.backend.primitives import update
from gpunet.optimizers.optimizer import LossScaling, Optimizer, catalog
from gpunet.serialization import deserialize, serialize

# What files of older versions have in the configuration, to no effect.
_DEFAULTS = {
    "dynamic": True,
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


def _refuse(options: dict[str, Any]) -> None:
    """Raise ValueError on options of other optimizers that would do something."""
    unknown = [name for name in options if name not in _DEFAULTS]
    if unknown:
        raise ValueError(f"LossScaleOptimizer does not support arguments: `{'`, `'.join(unknown)}`.")
    for name, value in options.items():
        if value != _DEFAULTS[name]:
            wanted = "loss_scale_factor" if name == "dynamic" else name
            raise ValueError(
                f"LossScaleOptimizer does not support `{name}`. Instead, set `{wanted}` on the `inner_optimizer`. "
                f"Received: {name}={value!r}"
            )


class LossScaleOptimizer(Optimizer):
    """Multiplies the loss so that float16 gradients do not vanish, and divides the gradients for another optimizer.

    A step whose gradients have an inf or NaN is left out and halves the scale; `dynamic_growth_steps` others in a row
    double it (Micikevicius et al., arXiv:1710.03740). With a built-in optimizer nothing of it is read on the host.

    Args:
        inner_optimizer: the optimizer to scale for, of variables on one device.
        initial_scale: the scale to begin with.
        dynamic_growth_steps: steps without an inf or NaN after which the scale is doubled.

    Raises:
        ValueError: if it is built with variables of several devices.
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **options: Any,
    ):
        _refuse(options)
        super().__init__(0.0, name=name)
        self.inner_optimizer = inner_optimizer
        inner_optimizer.loss_scale_factor = None
        self.iterations, self._learning_rate = inner_optimizer.iterations, inner_optimizer._learning_rate
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def variables(self) -> list[Variable]:
        """Its own, two of which are there to keep Keras's order only, and those of the inner optimizer."""
        return [*self._variables, *self.inner_optimizer.variables]

    def build(self, variables: Any) -> None:
        variables = list(variables)
        devices = {v.device for v in variables}
        if len(devices) != 1:
            raise ValueError(f"LossScaleOptimizer needs variables on one device. Received: {sorted(map(str, devices))}")
        (device,) = devices
        with device:
            self.step_counter = self.add_variable((), "zeros", "int32", name="step_counter")
            self.dynamic_scale = self.add_variable((), "zeros", "float32", name="dynamic_scale")
        self.dynamic_scale.assign(self.initial_scale)
        nonfinite = as_array(np.zeros((), self.step_counter.dtype), target=device)
        self.inner_optimizer.loss_scaling = LossScaling(self.dynamic_scale.array, nonfinite)
        self.inner_optimizer.build(variables)
        self._trainable_variables = variables
        self.built = True

    def scale_loss(self, loss: Any) -> Any:
        return ops.multiply(loss, self.dynamic_scale if self.built else self.initial_scale)

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Update the variables from the gradients of the scaled loss; errors as in `Optimizer.apply`."""
        if not grads:
            return
        if not self.built and trainable_variables is not None:
            self.build(trainable_variables)
        self.inner_optimizer.apply(grads, trainable_variables)
        scale, good_steps = self.dynamic_scale, self.step_counter
        nonfinite = self.inner_optimizer.skip
        update.adjust_loss_scale(scale.array, good_steps.array, nonfinite, growth_steps=self.dynamic_growth_steps)
        scale.touched()
        good_steps.touched()

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LossScaleOptimizer:
        return cls(**config | {"inner_optimizer": deserialize(config["inner_optimizer"])})


catalog.add(LossScaleOptimizer)
