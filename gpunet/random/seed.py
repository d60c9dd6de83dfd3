"""Seeds and the state that turns one seed into many independent draws."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from gpunet.autograd.tensor import Tensor, raw
from gpunet.autograd.variable import Variable, scopes
from gpunet.backend.devices import Device, as_array, to_host
from gpunet.backend.primitive import is_array_type
from gpunet.backend.primitives import random as prim
from gpunet.backend.primitives.elementwise import copy

_seeds = python_random.Random()  # our own, so that users of `random` do not disturb it


def make_default_seed() -> int:
    """A seed for something that was given none: random, but repeatable after `set_random_seed`."""
    return _seeds.randint(1, 2**31 - 1)


class SeedGenerator:
    """A seed and a counter: every `next()` is the state of an independent stream.

    The state is a Variable (seed, counter) of dtype uint32, saved and restored with a layer's weights.

    Args:
        seed: 0 ≤ seed < 2^32; chosen by `make_default_seed` where None.

    Raises:
        ValueError: if the seed is not such an integer.
    """

    def __init__(self, seed: int | None = None, name: str | None = None):
        if seed is None:
            seed = make_default_seed()
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed < 2**32:
            raise ValueError(f"seed must be an integer from 0 to 2**32 - 1. Received: seed={seed!r}")
        self.name = name or "seed_generator"
        self._initial_seed = int(seed)
        self.state = Variable(
            np.array([seed, 0], np.uint32), trainable=False, autocast=False, name="seed_generator_state"
        )

    def next(self) -> Any:
        """The current (seed, counter) as a raw array; the counter moves on, except while shapes are inferred."""
        if scopes.abstract:
            return copy(self.state.array)
        self.state.about_to_change()
        current = prim.next_state(self.state.array)
        self.state.touched()
        return current

    def get_config(self) -> dict[str, Any]:
        return {"seed": self._initial_seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        return cls(**config)


_global: dict[str, SeedGenerator | None] = {"generator": None}


def global_generator() -> SeedGenerator:
    """The generator behind random functions that are called without a seed."""
    generator = _global["generator"]
    if generator is None:
        generator = _global["generator"] = SeedGenerator()
    elif not is_array_type(type(generator.state.array)):  # made on a stand-in GPU that is gone
        generator.state.move_to(to_host(generator.state.array))
    return generator


def set_random_seed(seed: int) -> None:
    """Seed Python's `random`, NumPy's legacy generator and gpunet, so that a program repeats itself.

    Raises:
        ValueError: if the seed is not an integer from 0 to 2**32 − 1.
    """
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer from 0 to 2**32 - 1. Received: seed={seed!r}")
    python_random.seed(int(seed))
    np.random.seed(int(seed))
    _seeds.seed(int(seed))
    _global["generator"] = SeedGenerator(int(seed))


def draw_state(seed: Any, device: Device) -> Any:
    """The state array for one draw on `device`: of an int always the same, of a generator the next."""
    if seed is None:
        seed = global_generator()
    if isinstance(seed, SeedGenerator):
        return as_array(seed.next(), target=device)
    if isinstance(seed, Tensor):
        return as_array(raw(seed), target=device)
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        return as_array(np.array([int(seed) % 2**32, 0], np.uint32), target=device)
    raise ValueError(f"seed must be None, an int or a SeedGenerator. Received: seed={seed!r}")
