"""Layers that drop elements, or whole feature maps, while training."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import random
from gpunet.config import standardize_data_format
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.stateless import StatelessLayer
from gpunet.serialization import serialize


def as_rate(rate: Any, name: str = "rate") -> float:
    """A number in [0, 1] as a float.

    Raises:
        ValueError: otherwise.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or not 0 <= rate <= 1:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a float value between 0 and 1. "
            f"Received: {name}={rate!r}"
        )
    return float(rate)


def _as_noise_shape(noise_shape: Any) -> tuple[int | None, ...] | None:
    """Positive ints or None for each axis, as a tuple; None stays None.

    Raises:
        ValueError: otherwise.
    """
    if noise_shape is None:
        return None
    start = "Invalid value received for argument `noise_shape`. Expected"
    if isinstance(noise_shape, str) or not hasattr(noise_shape, "__iter__"):
        raise ValueError(f"{start} a tuple or list of integers. Received: noise_shape={noise_shape!r}")
    shape = tuple(noise_shape)
    if any(n is not None and not isinstance(n, int | np.integer) for n in shape):
        raise ValueError(f"{start} all elements to be integers or None. Received: noise_shape={noise_shape}")
    if any(n is not None and n <= 0 for n in shape):
        raise ValueError(f"{start} all dimensions to be positive integers or None. Received: noise_shape={noise_shape}")
    return tuple(n if n is None else int(n) for n in shape)


class Dropout(StatelessLayer):
    """While training, zeroes each element with probability `rate` and scales the others by 1 / (1 − rate).

    (Srivastava et al., JMLR 15, 2014.) The same seed drops the same elements on every device.

    Args:
        rate: in [0, 1].
        noise_shape: elements that share an entry of this shape, which broadcasts to the input's, are dropped together.
        seed: an int; chosen where None.
        mode: "inverted", as above, or "expectation": the others keep their values, and inference, without dropping,
            scales all by 1 − rate.

    Raises:
        ValueError: if `rate` is outside [0, 1], `noise_shape` has other sizes than positive ones and None, or `mode` is
            another word.
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: int | None = None, mode: str = "inverted", **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.rate = as_rate(rate)
        if mode not in ("inverted", "expectation"):
            raise ValueError(f"mode must be 'inverted' or 'expectation'. Received: mode={mode!r}")
        self.seed = seed
        self.noise_shape = _as_noise_shape(noise_shape)
        self.mode = mode
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True

    def _noise_shape(self, inputs: Any) -> Any:
        return self.noise_shape

    def call(self, inputs: Any, training: bool = False) -> Any:
        if self.rate == 0:
            return inputs
        if self.mode == "inverted" and not training:
            return inputs
        if training:
            inputs = random.dropout(inputs, self.rate, self._noise_shape(inputs), self.seed_generator)
        return inputs if self.mode == "inverted" else inputs * (1.0 - self.rate)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {"rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}
        return config if self.mode == "inverted" else config | {"mode": self.mode}


class BaseSpatialDropout(Dropout):
    """Drops whole feature maps: all places of a channel together (Tompson et al., arXiv:1411.4280)."""

    rank: int

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _noise_shape(self, inputs: Any) -> tuple[int | None, ...]:
        ones = (1,) * self.rank
        return (None, None, *ones) if self.data_format == "channels_first" else (None, *ones, None)

    def get_config(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "seed": self.seed,
            "name": self.name,
            "dtype": serialize(self.dtype_policy),
            "data_format": self.data_format,
        }


class SpatialDropout1D(BaseSpatialDropout):
    """Drops channels of (batch, steps, channels), each for all steps."""

    rank = 1

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None):
        super().__init__(rate, "channels_last", seed, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["data_format"]
        return config


class SpatialDropout2D(BaseSpatialDropout):
    """Drops channels of (batch, height, width, channels), each at all places."""

    rank = 2


class SpatialDropout3D(BaseSpatialDropout):
    """Drops channels of (batch, depth, height, width, channels), each at all places."""

    rank = 3
