"""Random numbers from counter-based streams: the same seed gives the same bits on every device."""

from gpunet.random.draw import (
    categorical,
    dropout,
    normal,
    normal_like,
    permutation,
    randint,
    shuffle,
    truncated_normal,
    uniform,
    uniform_like,
)
from gpunet.random.gamma import beta, binomial, gamma
from gpunet.random.seed import SeedGenerator, global_generator, make_default_seed, set_random_seed

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "global_generator",
    "make_default_seed",
    "normal",
    "normal_like",
    "permutation",
    "randint",
    "set_random_seed",
    "shuffle",
    "truncated_normal",
    "uniform",
    "uniform_like",
]
