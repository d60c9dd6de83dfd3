"""The base of initializers."""

from __future__ import annotations

from typing import Any

from gpunet.random import SeedGenerator, make_default_seed
from gpunet.serialization import Catalog, deserialize, serialize

catalog = Catalog("initializer", "keras.initializers")


class Initializer:
    """A callable `(shape, dtype=None) -> tensor`; a subclass implements `__call__` and `get_config`."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        raise NotImplementedError("An initializer implements __call__(self, shape, dtype=None).")

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        return cls(**config)

    def clone(self) -> Initializer:
        """A new initializer with the same configuration."""
        return type(self).from_config(self.get_config())


class RandomInitializer(Initializer):
    """An initializer with a seed: an int makes every call return the same values, a SeedGenerator new ones.

    Where it is None, a seed is chosen when the initializer is made.

    Raises:
        ValueError: if the seed is of another type.
    """

    def __init__(self, seed: Any = None):
        self._init_seed = seed
        if isinstance(seed, dict):
            seed = deserialize(seed)
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | SeedGenerator)):
            raise ValueError(f"seed must be None, an int or a SeedGenerator. Received: seed={seed!r}")
        self.seed = make_default_seed() if seed is None else seed

    def get_config(self) -> dict[str, Any]:
        return {"seed": serialize(self._init_seed)}


_seed_catalog = Catalog("seed generator", "keras.random")
_seed_catalog.add(SeedGenerator)
