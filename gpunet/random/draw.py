"""Random tensors, shuffling and dropout, with the names of `keras.random`.

`seed` is an int (every call gives the same numbers), a `SeedGenerator` (every call gives new ones) or None for the
global generator, which `set_random_seed` seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.autograd.apply import apply
from gpunet.autograd.fused import fused_gradient
from gpunet.autograd.tensor import raw, wrap
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.devices import CPU, default_device, device_of
from gpunet.backend.dtypes import as_dtype, is_float
from gpunet.backend.primitives import random as prim
from gpunet.ops import elementwise as el
from gpunet.ops.creation import full
from gpunet.ops.indexing import take
from gpunet.ops.operands import as_shape, cast_to, float_operand, operand
from gpunet.ops.reduction import argmax
from gpunet.ops.views import expand_dims
from gpunet.random.seed import draw_state
from gpunet.symbolic.ops import symbolic_op


def _float_dtype(dtype: Any) -> np.dtype:
    dtype = as_dtype(dtype)
    if not is_float(dtype):
        raise ValueError(f"dtype must be a float type. Received: dtype={dtype.name}")
    return dtype


def _draw(primitive: Any, shape: Any, seed: Any, **attributes: Any) -> Any:
    state = draw_state(seed, default_device())
    return wrap(primitive(state, shape=as_shape(shape), **attributes))


def uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Uniform numbers in [minval, maxval); integers for an integer dtype."""
    if dtype is not None and as_dtype(dtype).kind in "iu":
        return randint(shape, int(minval), int(maxval), dtype, seed)
    unit = _draw(prim.random_uniform, shape, seed, dtype=_float_dtype(dtype))
    if isinstance(minval, int | float) and isinstance(maxval, int | float) and (minval, maxval) == (0, 1):
        return unit
    return el.add(el.multiply(unit, maxval - minval), minval)


def normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Normal numbers with the given mean and standard deviation."""
    return _scaled_normal(shape, mean, stddev, dtype, seed, False)


def truncated_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Normal numbers within two standard deviations of the mean, by inverse CDF."""
    return _scaled_normal(shape, mean, stddev, dtype, seed, True)


def _scaled_normal(shape, mean, stddev, dtype, seed, truncated):
    unit = _draw(prim.random_normal, shape, seed, dtype=_float_dtype(dtype), truncated=truncated)
    return el.add(el.multiply(unit, stddev), mean)


@symbolic_op
def normal_like(x: Any, mean: float = 0.0, stddev: float = 1.0, seed: Any = None) -> Any:
    """Normal numbers of the shape and dtype of a float tensor, on its device."""
    unit = _draw_like(prim.random_normal, x, seed, truncated=False)
    return el.add(el.multiply(unit, stddev), mean)


@symbolic_op
def uniform_like(x: Any, minval: float = 0.0, maxval: float = 1.0, seed: Any = None) -> Any:
    """Uniform numbers in [minval, maxval) of the shape and dtype of a float tensor, on its device."""
    return el.add(el.multiply(_draw_like(prim.random_uniform, x, seed), maxval - minval), minval)


def _draw_like(primitive: Any, x: Any, seed: Any, **attributes: Any) -> Any:
    x = raw(float_operand(x))
    state = draw_state(seed, device_of(x))
    if type(x) is AbstractArray:
        state = AbstractArray(state.shape, state.dtype)
    return wrap(primitive(state, shape=x.shape, dtype=x.dtype, **attributes))


def randint(shape: Any, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Integers in [minval, maxval), which may span at most 2^32 values.

    Raises:
        ValueError: if the interval is empty or too long.
    """
    span = int(maxval) - int(minval)
    if not 0 < span <= 2**32:
        raise ValueError(f"randint needs 0 < maxval - minval <= 2**32. Received: minval={minval}, maxval={maxval}")
    bits = cast_to(_draw(prim.random_bits, shape, seed), "uint64")
    scaled = cast_to(el.right_shift(el.multiply(bits, span), 32), "int64")
    return cast_to(el.add(scaled, int(minval)), dtype)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Class indices drawn from softmax(logits): logits (batch, classes) → (batch, num_samples). Gumbel's trick."""
    logits = float_operand(logits)
    shape = (logits.shape[0], int(num_samples), logits.shape[1])
    u = uniform(shape, dtype=logits.dtype, seed=seed)
    gumbel = el.negative(el.log(el.negative(el.log(el.maximum(u, 1e-30)))))
    return cast_to(argmax(el.add(expand_dims(logits, 1), gumbel), axis=-1), dtype)


def permutation(n: int, seed: Any = None) -> np.ndarray:
    """A random order of range(n) as a NumPy int64 array, the same on every device."""
    return _order(prim.random_bits(draw_state(seed, CPU), shape=(n,)))


def _order(words: np.ndarray) -> np.ndarray:
    """The stable order of words of 32 bits, each sorted together with its number: several times as quick."""
    keys = words.astype(np.uint64) << np.uint64(32)
    keys |= np.arange(len(words), dtype=np.uint64)
    keys.sort()
    keys &= np.uint64(0xFFFFFFFF)
    return keys.view(np.int64)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """x with its slices along `axis` in random order."""
    x = operand(x)
    return take(x, permutation(x.shape[axis], seed), axis=axis)


@symbolic_op
def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Zero each element with probability `rate` and scale the others by 1 / (1 − rate).

    Args:
        noise_shape: a shape that broadcasts to the inputs': elements that share an entry are kept or dropped together;
            None entries are the inputs' own sizes.

    Raises:
        ValueError: if `rate` is not in [0, 1].
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be in [0, 1]. Received: rate={rate}")
    x = float_operand(inputs)
    if rate == 0:
        return x
    if rate == 1:
        return el.zeros_like(x)
    state = draw_state(seed, device_of(raw(x)))
    if noise_shape is None:
        return apply(prim.dropout, x, state, rate=float(rate))
    shape = tuple(n if m is None else m for n, m in zip(x.shape, noise_shape))
    ones = raw(full(shape, 1, x.dtype, device_of(raw(x))))
    return el.multiply(x, apply(prim.dropout, ones, state, rate=float(rate)))


def _dropout_backward(g, r):
    return apply(prim.dropout_grad, g, *r.residuals, **r.attributes), None


def _dropout_decomposition(x, state, *, rate):
    """x times the same mask, which is a constant."""
    return el.multiply(x, apply(prim.dropout, el.ones_like(el.stop_gradient(x)), state, rate=rate))


prim.dropout.gradient = fused_gradient(_dropout_backward, _dropout_decomposition, saves="xy")
