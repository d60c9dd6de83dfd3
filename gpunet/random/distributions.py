"""Gamma, beta and binomial draws, made of uniform ones: the same on every device, and one draw for one seed."""

from __future__ import annotations

import math
from typing import Any

from gpunet import ops
from gpunet.ops.operands import operand
from gpunet.random.draw import uniform

_TRIES = 8  # each is accepted with a probability above 0.95


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Gamma-distributed numbers of shape parameter `alpha`, which broadcasts to `shape`, and scale 1.

    Marsaglia and Tsang, "A simple method for generating gamma variables" (2000): of eight proposals the first that is
    accepted.
    """
    shape = tuple(shape)
    noise = uniform((3 * _TRIES + 1, *shape), dtype=dtype, seed=seed)
    alpha = ops.broadcast_to(ops.cast(operand(alpha), noise.dtype), shape)
    small = ops.less(alpha, 1.0)
    d = ops.where(small, alpha + 1.0, alpha) - 1.0 / 3.0
    found: Any = None
    for i in reversed(range(_TRIES)):
        first, second, third = (ops.maximum(noise[3 * i + k], 1e-30) for k in range(3))
        normal = ops.sqrt(-2.0 * ops.log(first)) * ops.cos(2.0 * math.pi * second)
        v = 1.0 + normal / ops.sqrt(9.0 * d)
        cube = ops.maximum(v, 1e-10) ** 3
        bound = 0.5 * ops.square(normal) + d * (1.0 - cube + ops.log(cube))
        accepted = ops.logical_and(ops.greater(v, 0.0), ops.less(ops.log(third), bound))
        found = d * cube if found is None else ops.where(accepted, d * cube, found)
    boost = ops.maximum(noise[-1], 1e-30) ** (1.0 / alpha)
    return ops.where(small, found * boost, found)


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Beta-distributed numbers in [0, 1]; `alpha` and `beta` broadcast to `shape`."""
    shape = tuple(shape)
    both = ops.stack([ops.broadcast_to(ops.cast(operand(x), dtype or "float32"), shape) for x in (alpha, beta)])
    x, y = ops.unstack(gamma((2, *shape), both, dtype, seed), 2)
    return x / (x + y)


def binomial(shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Any:
    """How many of `counts` trials succeed, each with one of `probabilities`; both broadcast to `shape`."""
    shape = tuple(shape)
    counts = ops.broadcast_to(ops.cast(operand(counts), "float32"), shape)
    probabilities = ops.broadcast_to(ops.cast(operand(probabilities), "float32"), shape)
    most = max(1, int(ops.max(counts)))
    trials = ops.less(uniform((most, *shape), seed=seed), probabilities)
    number = ops.reshape(ops.arange(most, dtype="float32"), (most, *(1,) * len(shape)))
    counted = ops.logical_and(trials, ops.less(number, counts))
    return ops.sum(ops.cast(counted, dtype or "float32"), axis=0)
