"""What training is made of, as calls that read the same in Keras and gpunet, in float64.

A case has a name and `run(library, random)`, which returns arrays by name. `random` is a RandomState, whose numbers are the
same in every NumPy: inputs need not be stored.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = dict[str, Any]


@dataclass
class Case:
    """`run(library, random)` with random numbers that depend on name and seed."""

    name: str
    run: Callable[[Any, np.random.RandomState], Arrays]

    def values(self, library: Any, seed: int) -> dict[str, np.ndarray]:
        random = np.random.RandomState([seed, zlib.crc32(self.name.encode())])
        return {f"{self.name}/{key}": as_array(value) for key, value in self.run(library, random).items()}


CASES: list[Case] = []


def case(kind: str, name: str, run: Callable, **attributes: Any) -> None:
    """Add a case, named by what it calls and with which arguments."""
    words = [f"{k}={v}" for k, v in attributes.items()]
    CASES.append(Case(" ".join([kind, name, *words]), run))


def as_array(value: Any) -> np.ndarray:
    """Tensors of any library as NumPy arrays."""
    value = value.detach().cpu() if hasattr(value, "detach") and hasattr(value, "cpu") else value
    return np.asarray(value)


# Schedules: 40 steps.
def schedule(name: str, **attributes: Any) -> None:
    def run(library, random):
        schedule = getattr(library.optimizers.schedules, name)(**attributes)
        return {"rates": [float(schedule(step)) for step in range(40)]}

    case("schedule", name, run, **attributes)


schedule("ExponentialDecay", initial_learning_rate=0.1, decay_steps=7, decay_rate=0.6)
schedule("ExponentialDecay", initial_learning_rate=0.1, decay_steps=7, decay_rate=0.6, staircase=True)
schedule("InverseTimeDecay", initial_learning_rate=0.1, decay_steps=4, decay_rate=0.5)
schedule("InverseTimeDecay", initial_learning_rate=0.1, decay_steps=4, decay_rate=0.5, staircase=True)
schedule("PiecewiseConstantDecay", boundaries=[5, 11], values=[0.1, 0.05, 0.01])
schedule("PiecewiseConstantDecay", boundaries=[5], values=[0.1, 0.05])
schedule("PolynomialDecay", initial_learning_rate=0.1, decay_steps=10)
schedule("PolynomialDecay", initial_learning_rate=0.1, decay_steps=10, power=2.0, cycle=True)
schedule("PolynomialDecay", initial_learning_rate=0.1, decay_steps=20, power=0.5, end_learning_rate=0.03)
schedule("CosineDecay", initial_learning_rate=0.1, decay_steps=15)
schedule("CosineDecay", initial_learning_rate=0.01, decay_steps=15, alpha=0.1, warmup_target=0.1, warmup_steps=5)
schedule("CosineDecay", initial_learning_rate=0.01, decay_steps=15, warmup_target=0.1)
schedule("CosineDecayRestarts", initial_learning_rate=0.1, first_decay_steps=6, t_mul=1.5, m_mul=0.8)
schedule("CosineDecayRestarts", initial_learning_rate=0.1, first_decay_steps=6, t_mul=1.0, alpha=0.2)


# Optimizers: 20 updates of a matrix and a vector, with another learning rate from the 13th on.
def optimizer(name: str, scale: float = 1.0, scheduled: bool = False, **attributes: Any) -> None:
    def run(library, random):
        options = dict(attributes)
        if scheduled:
            rate = {"initial_learning_rate": options["learning_rate"], "decay_steps": 5, "decay_rate": 0.5}
            options["learning_rate"] = library.optimizers.schedules.ExponentialDecay(**rate)
        made = getattr(library.optimizers, name)(**options)
        variables = [library.Variable(random.randn(*shape), dtype="float64") for shape in ((3, 4), (4,))]
        seen = []
        for step in range(20):
            if step == 12 and not scheduled:
                made.learning_rate = attributes["learning_rate"] * 0.3
            gradients = [library.ops.convert_to_tensor(random.randn(*v.shape) * scale) for v in variables]
            made.apply(gradients, variables)
            seen.append(np.concatenate([as_array(v.value).ravel() for v in variables]))
        return {"trajectory": [seen[i] for i in (0, 1, 11, 12, 19)]}

    case("optimizer", name, run, **attributes, scale=scale, scheduled=scheduled)


for _scale in (1.0, 1e-4):
    optimizer("SGD", _scale, learning_rate=0.1)
    optimizer("SGD", _scale, learning_rate=0.1, momentum=0.9)
    optimizer("SGD", _scale, learning_rate=0.05, momentum=0.9, nesterov=True)
    optimizer("RMSprop", _scale, learning_rate=0.01)
    optimizer("RMSprop", _scale, learning_rate=0.01, momentum=0.9, centered=True, rho=0.95)
    optimizer("Adam", _scale, learning_rate=0.01)
    optimizer("Adam", _scale, learning_rate=0.01, amsgrad=True, beta_1=0.5, beta_2=0.9, epsilon=1e-3)
optimizer("SGD", learning_rate=0.1, momentum=0.5, weight_decay=0.01)
optimizer("SGD", learning_rate=0.1, clipnorm=0.7)
optimizer("SGD", learning_rate=0.1, clipvalue=0.3)
optimizer("SGD", learning_rate=0.1, global_clipnorm=0.7)
optimizer("Adam", learning_rate=0.01, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3)
optimizer("SGD", learning_rate=0.1, momentum=0.9, scheduled=True)
optimizer("Adam", learning_rate=0.1, scheduled=True)
