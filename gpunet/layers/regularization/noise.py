"""Layers that add noise while training, and a penalty on activities."""

from __future__ import annotations

import math
from typing import Any

from gpunet import ops, random, regularizers
from gpunet.layers.regularization.dropout import as_rate
from gpunet.layers.stateless import StatelessLayer

# Of the SELU activation, whose mean and variance AlphaDropout keeps.
_SELU_LOW = -1.6732632423543772 * 1.0507009873554805


class _Noise(StatelessLayer):
    """The base of layers that draw noise while training, from a seed of their own."""

    def __init__(self, seed: int | None, active: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed = seed
        if active:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True


class GaussianNoise(_Noise):
    """While training, adds normal numbers with the standard deviation `stddev`, in [0, 1].

    Raises:
        ValueError: if `stddev` is outside [0, 1].
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any):
        checked = as_rate(stddev, "stddev")
        super().__init__(seed, checked > 0, **kwargs)
        self.stddev = checked

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.stddev == 0:
            return inputs
        return inputs + random.normal_like(inputs, 0.0, self.stddev, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"stddev": self.stddev, "seed": self.seed}


class GaussianDropout(_Noise):
    """While training, multiplies by normal numbers with mean 1 and variance rate / (1 − rate).

    (Srivastava et al., JMLR 15, 2014.)

    Raises:
        ValueError: if `rate` is outside [0, 1).
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        checked = as_rate(rate)
        if checked == 1:
            raise ValueError(f"GaussianDropout needs a rate below 1, whose variance is finite. Received: rate={rate}")
        super().__init__(seed, checked > 0, **kwargs)
        self.rate = checked

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        stddev = math.sqrt(self.rate / (1.0 - self.rate))
        return inputs * random.normal_like(inputs, 1.0, stddev, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate, "seed": self.seed}


class AlphaDropout(_Noise):
    """While training, sets elements to SELU's lowest value and keeps mean and variance (Klambauer, arXiv:1706.02515).

    Args:
        rate: the probability of an element to be set, in [0, 1).
        noise_shape: elements that share an entry of this shape are set together; None entries are the inputs' sizes.

    Raises:
        ValueError: if `rate` is outside [0, 1).
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any):
        checked = as_rate(rate)
        if checked == 1:
            raise ValueError(f"AlphaDropout needs a rate below 1 to keep the variance. Received: rate={rate}")
        super().__init__(seed, checked > 0, **kwargs)
        self.rate = checked
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        ones = ops.ones_like(ops.stop_gradient(inputs))
        dropped = random.dropout(ones, self.rate, self.noise_shape, self.seed_generator)
        kept = ops.cast(ops.greater(dropped, 0), inputs.dtype)
        a = ((1 - self.rate) * (1 + self.rate * _SELU_LOW**2)) ** -0.5
        b = -a * _SELU_LOW * self.rate
        return (inputs * kept + _SELU_LOW * (1.0 - kept)) * a + b

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}


class ActivityRegularization(StatelessLayer):
    """The identity, with the penalty l1·Σ|x| + l2·Σx², divided by the batch size, added to the loss."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any):
        super().__init__(activity_regularizer=regularizers.L1L2(l1, l2), **kwargs)
        self.l1 = l1
        self.l2 = l2
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["activity_regularizer"]
        return config | {"l1": self.l1, "l2": self.l2}
