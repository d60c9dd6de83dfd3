"""Gamma, beta and binomial numbers, by rejection in a fixed number of rounds: no round waits for the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.autograd.tensor import raw
from gpunet.backend.devices import to_host
from gpunet.ops import elementwise as el
from gpunet.ops.creation import arange, zeros
from gpunet.ops.indexing import take_along_axis
from gpunet.ops.operands import as_shape, cast_to, operand
from gpunet.ops.reduction import argmax, broadcast_to
from gpunet.ops.reduction import sum as sum_
from gpunet.ops.views import expand_dims, squeeze
from gpunet.random.draw import normal_like, uniform_like
from gpunet.random.seed import SeedGenerator

# Marsaglia and Tsang accept with a probability of at least 0.95: eight rounds fail in 4·10⁻¹¹ of the cases.
_ROUNDS = 8


def _parameter(value: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """A parameter as floats of the shape of the results, on its own device if it is a tensor, else the default one."""
    if not hasattr(value, "shape"):
        value = el.add(zeros((), dtype), np.asarray(value, dtype or "float32"))
    value = operand(value)
    return broadcast_to(cast_to(value, dtype), shape)


def _streams(seed: Any) -> Any:
    """A seed that gives other numbers each time: several draws that are put together must not be the same."""
    return SeedGenerator(int(seed) % 2**32) if isinstance(seed, int | np.integer) else seed


def _log_gamma_variate(alpha: Any, seed: Any) -> Any:
    """Logarithms of gamma variates with parameters alpha (Marsaglia and Tsang, ACM TOMS 26, 2000).

    Below 1, a variate of alpha + 1 times u^(1/alpha), whose logarithm does not vanish as the number itself does.
    """
    small = el.less(alpha, 1.0)
    d = el.subtract(el.where(small, el.add(alpha, 1.0), alpha), 1 / 3)
    rounds = broadcast_to(expand_dims(d, -1), (*d.shape, _ROUNDS))
    x = normal_like(rounds, seed=seed)
    v = el.power(el.add(1.0, el.multiply(x, el.rsqrt(el.multiply(rounds, 9.0)))), 3)
    positive = el.greater(v, 0)
    log_v = el.log(el.where(positive, v, 1.0))
    bound = el.add(el.multiply(el.square(x), 0.5), el.multiply(rounds, el.add(el.subtract(1.0, v), log_v)))
    u = el.maximum(uniform_like(rounds, seed=seed), 1e-30)
    accepted = el.logical_and(positive, el.less(el.log(u), bound))
    first = expand_dims(argmax(cast_to(accepted, "int32"), axis=-1), -1)
    found = el.add(el.log(d), squeeze(take_along_axis(log_v, first, -1), -1))
    boost = el.divide(el.log(el.maximum(uniform_like(d, seed=seed), 1e-30)), alpha)
    return el.where(small, el.add(found, boost), found)


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Gamma numbers of shape parameter alpha > 0, a number or a tensor that broadcasts, and scale 1."""
    return el.exp(_log_gamma_variate(_parameter(alpha, as_shape(shape), dtype), _streams(seed)))


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Beta numbers in [0, 1] with parameters alpha, beta > 0, numbers or tensors that broadcast."""
    seed = _streams(seed)
    first, second = (_log_gamma_variate(_parameter(p, as_shape(shape), dtype), seed) for p in (alpha, beta))
    return el.sigmoid(el.subtract(first, second))


def binomial(shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Any:
    """How many of `counts` trials succeed, each with probability `probabilities`; both broadcast to the shape.

    All trials are drawn, so that memory grows with the largest count.
    """
    counts, probabilities = (_parameter(p, as_shape(shape), dtype) for p in (counts, probabilities))
    most = int(np.max(to_host(raw(counts)), initial=0))
    trials = broadcast_to(expand_dims(probabilities, -1), (*probabilities.shape, most))
    succeeded = el.less(uniform_like(trials, seed=seed), trials)
    counted = el.less(cast_to(arange(most), counts.dtype), expand_dims(counts, -1))
    return cast_to(sum_(cast_to(el.logical_and(succeeded, counted), "int32"), -1), counts.dtype)
