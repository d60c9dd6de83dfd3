"""Activation functions by name, for the `activation=` argument of layers."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.ops import (
    celu,
    elu,
    exp,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    mish,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)
from gpunet.serialization import Catalog
from gpunet.serialization import deserialize as _deserialize
from gpunet.serialization import serialize as _serialize

catalog = Catalog("activation", "keras.activations")


def linear(x: Any) -> Any:
    """x."""
    return x


def exponential(x: Any) -> Any:
    """e^x."""
    return exp(x)


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """max(x, 0), or with the arguments: max_value above it, x in between, negative_slope·(x − threshold) below."""
    if negative_slope == 0.0 and threshold == 0.0:
        y = ops.relu(x)
    elif threshold == 0.0:
        y = ops.leaky_relu(x, negative_slope)
    else:
        y = ops.where(ops.greater(x, threshold), x, negative_slope * (x - threshold))
    return y if max_value is None else ops.minimum(y, max_value)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x·Φ(x), exactly by default (`ops.gelu` approximates by default, as in Keras)."""
    return ops.gelu(x, approximate)


swish, hard_swish = silu, hard_silu
for _function, _aliases in (
    (relu, ()),
    (linear, ()),
    (exponential, ()),
    (celu, ()),
    (elu, ()),
    (gelu, ()),
    (glu, ()),
    (hard_shrink, ()),
    (hard_sigmoid, ()),
    (hard_silu, ("hard_swish",)),
    (hard_tanh, ()),
    (leaky_relu, ()),
    (log_sigmoid, ()),
    (log_softmax, ()),
    (mish, ()),
    (relu6, ()),
    (selu, ()),
    (sigmoid, ()),
    (silu, ("swish",)),
    (soft_shrink, ()),
    (softmax, ()),
    (softplus, ()),
    (softsign, ()),
    (sparse_plus, ()),
    (sparse_sigmoid, ()),
    (sparsemax, ()),
    (squareplus, ()),
    (tanh, ()),
    (tanh_shrink, ()),
    (threshold, ()),
):
    catalog.add(_function, *_aliases)


def get(identifier: Any) -> Any:
    """The function for a name, configuration, callable or layer; None is `linear`."""
    return linear if identifier is None else catalog.get(identifier)


def serialize(activation: Any) -> Any:
    """The activation's name, or a configuration of a custom function or layer."""
    return _serialize(activation)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The activation of a name or configuration."""
    return get(config) if isinstance(config, str) else _deserialize(config, custom_objects)
