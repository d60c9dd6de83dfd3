"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import random
from gpunet.layers.layer import Layer


class Dropout(Layer):
    """While training, zeroes each element with probability `rate` and scales the others by 1 / (1 − rate).

    (Srivastava et al., JMLR 15, 2014.) The same seed drops the same elements on every device.

    Args:
        rate: in [0, 1].
        noise_shape: elements that share an entry of this shape, which broadcasts to the input's, are dropped together.
        seed: an int; chosen where None.

    Raises:
        ValueError: if `rate` is outside [0, 1].
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or not 0 <= rate <= 1:
            raise ValueError(
                f"Invalid value received for argument `rate`. Expected a float value between 0 and 1. "
                f"Received: rate={rate!r}"
            )
        self.rate = float(rate)
        self.seed = seed
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, self.noise_shape, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}
