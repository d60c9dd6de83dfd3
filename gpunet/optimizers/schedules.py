"""Learning-rate schedules, with the names, arguments and numerics of `keras.optimizers.schedules`.

A schedule is a formula of the step, written with ops: an optimizer computes it where its count of steps is, so that a
recorded step goes through it without Python.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpunet import config, ops
from gpunet.serialization import Catalog
from gpunet.serialization import deserialize as _deserialize
from gpunet.serialization import serialize as _serialize

catalog = Catalog("learning rate schedule", "keras.optimizers.schedules")


class LearningRateSchedule:
    """A callable `step -> learning rate`; a subclass implements `__call__` with ops, and `get_config`."""

    def __call__(self, step: Any) -> Any:
        raise NotImplementedError(f"Learning rate schedule {type(self).__name__!r} must override `__call__`.")

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(
            f"Learning rate schedule {type(self).__name__!r} must override `get_config()` in order to be serializable."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        return cls(**config)


def _as_float(step: Any) -> Any:
    return ops.cast(ops.convert_to_tensor(step), config.floatx())


def _positive(name: str, value: Any) -> Any:
    if value <= 0:
        raise ValueError(f"Argument `{name}` must be > 0. Received: {name}={value}")
    return value


class _Decay(LearningRateSchedule):
    """What depends on step / decay_steps, in whole numbers with `staircase`."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name or type(self).__name__

    def _progress(self, step: Any) -> Any:
        progress = _as_float(step) / self.decay_steps
        return ops.floor(progress) if self.staircase else progress

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class ExponentialDecay(_Decay):
    """initial_learning_rate · decay_rate^(step / decay_steps), the exponent rounded down with `staircase`.

    Raises:
        ValueError: if `decay_steps` is not positive.
    """

    def __call__(self, step: Any) -> Any:
        return self.initial_learning_rate * ops.power(self.decay_rate, self._progress(step))


class InverseTimeDecay(_Decay):
    """initial_learning_rate / (1 + decay_rate · step / decay_steps), the ratio rounded down with `staircase`.

    Raises:
        ValueError: if `decay_steps` is not positive.
    """

    def __call__(self, step: Any) -> Any:
        return self.initial_learning_rate / (1.0 + self.decay_rate * self._progress(step))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[0] up to and with step boundaries[0], values[1] up to boundaries[1], and so on, then values[-1].

    Raises:
        ValueError: if there is not one boundary fewer than values.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"The length of boundaries should be 1 less than the length of values. Received: "
                f"boundaries={boundaries} of length {len(boundaries)}, and values={values} of length {len(values)}."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step: Any) -> Any:
        step = ops.convert_to_tensor(step)
        rate = ops.cast(ops.zeros_like(step), config.floatx()) + self.values[-1]
        for boundary, value in reversed(list(zip(self.boundaries, self.values))):
            rate = ops.where(step <= boundary, value, rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class PolynomialDecay(LearningRateSchedule):
    """(initial − end_learning_rate) · (1 − step / decay_steps)^power + end_learning_rate.

    Beyond `decay_steps` it stays at the end; with `cycle`, decay_steps is doubled, tripled… as soon as step exceeds it.

    Raises:
        ValueError: if `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> Any:
        step = _as_float(step)
        if self.cycle:
            cycles = ops.where(step == 0, 1.0, ops.ceil(step / self.decay_steps))
            progress = step / (self.decay_steps * cycles)
        else:
            progress = ops.minimum(step, self.decay_steps) / self.decay_steps
        span = self.initial_learning_rate - self.end_learning_rate
        return span * ops.power(1.0 - progress, self.power) + self.end_learning_rate

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


def _half_cosine(progress: Any) -> Any:
    """From 1 at 0 to 0 at 1."""
    return 0.5 * (1.0 + ops.cos(math.pi * progress))


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the initial rate to alpha times it (Loshchilov and Hutter, arXiv:1608.03983).

    With `warmup_target` the rate first goes in a straight line from the initial rate to the target in `warmup_steps`,
    and decays from there.

    Raises:
        ValueError: if `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        step = _as_float(step)
        if self.warmup_target is None:
            return self._decayed(self.initial_learning_rate, step)
        decayed = self._decayed(self.warmup_target, step - self.warmup_steps)
        if not self.warmup_steps:
            return decayed
        rise = self.warmup_target - self.initial_learning_rate
        warming = rise * (step / self.warmup_steps) + self.initial_learning_rate
        return ops.where(step < self.warmup_steps, warming, decayed)

    def _decayed(self, rate: float, step: Any) -> Any:
        progress = ops.minimum(step, self.decay_steps) / self.decay_steps
        return rate * ((1.0 - self.alpha) * _half_cosine(progress) + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after the other, each `t_mul` times as long and `m_mul` times as high as the one before.

    (Loshchilov and Hutter, arXiv:1608.03983.)

    Raises:
        ValueError: if `first_decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ):
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = _positive("first_decay_steps", first_decay_steps)
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: Any) -> Any:
        restarts, progress = self._place(_as_float(step) / self.first_decay_steps)
        height = ops.power(self.m_mul, restarts)
        return self.initial_learning_rate * ((1.0 - self.alpha) * height * _half_cosine(progress) + self.alpha)

    def _place(self, periods: Any) -> tuple[Any, Any]:
        """How many restarts there were, and the part of the current decay that is done."""
        ratio = self.t_mul
        if ratio == 1.0:
            restarts = ops.floor(periods)
            return restarts, periods - restarts
        restarts = ops.floor(ops.log(1.0 - periods * (1.0 - ratio)) / math.log(ratio))
        length = ops.power(ratio, restarts)
        return restarts, (periods - (1.0 - length) / (1.0 - ratio)) / length

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


for _cls in (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
    CosineDecay,
    CosineDecayRestarts,
):
    catalog.add(_cls)


def serialize(learning_rate_schedule: Any) -> Any:
    """The schedule as a configuration."""
    return _serialize(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The schedule of a configuration."""
    return _deserialize(config, custom_objects)
