"""Activations of several steps, and their slopes times a gradient, in simple array functions.

Numbers of 16 bits are computed in float32. The residual of a gated activation is its gate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from gpunet.backend.dtypes import FLOAT32
from gpunet.backend.portable import portable
from gpunet.backend.portable.elementwise import _into
from gpunet.backend.primitives import elementwise as prim

_erf, _sigmoid = prim.UNARY["erf"], prim.UNARY["sigmoid"]
_TWICE = math.sqrt(8 / math.pi)


class Gate(NamedTuple):
    """A function `of(xp, x)`, and its derivative `steepness(xp, x, gate)`."""

    of: Callable[[Any, Any], Any]
    steepness: Callable[[Any, Any, Any], Any]


class Rectifier(NamedTuple):
    """A function `of(xp, x, alpha)`, and its derivative `slope(xp, x, alpha)`."""

    of: Callable[[Any, Any, float], Any]
    slope: Callable[[Any, Any, float], Any]


def _tanh_of_softplus(xp, x):
    """n / (n + 2) with n = e^x·(e^x + 2), which is 1 beyond 20."""
    power = xp.exp(xp.minimum(x, 20))
    n = power * (power + 2)
    return n / (n + 2)


GATES = {
    "gelu": Gate(
        lambda xp, x: (_erf(x * math.sqrt(0.5)) + 1) * 0.5,
        lambda xp, x, gate: xp.exp(x * x * -0.5) * math.sqrt(0.5 / math.pi),
    ),
    # (1 + tanh(u)) / 2 = sigmoid(2u) for u = √(2/π)·(x + 0.044715·x³)
    "gelu_tanh": Gate(
        lambda xp, x: _sigmoid((x * x * 0.044715 + 1) * x * _TWICE),
        lambda xp, x, gate: gate * (1 - gate) * ((x * x * 0.134145 + 1) * _TWICE),
    ),
    "silu": Gate(lambda xp, x: _sigmoid(x), lambda xp, x, gate: gate * (1 - gate)),
    "mish": Gate(_tanh_of_softplus, lambda xp, x, gate: (1 - gate * gate) * _sigmoid(x)),
}
RECTIFIERS = {
    "elu": Rectifier(
        lambda xp, x, alpha: xp.where(x > 0, x, xp.expm1(xp.minimum(x, 0)) * alpha),
        lambda xp, x, alpha: xp.where(x > 0, 1, xp.exp(xp.minimum(x, 0)) * alpha),
    ),
    "leaky_relu": Rectifier(
        lambda xp, x, alpha: xp.where(x > 0, x, x * alpha),
        lambda xp, x, alpha: xp.where(x > 0, 1, xp.asarray(alpha, x.dtype)),
    ),
}


def _wide(x: Any) -> Any:
    return x.astype(FLOAT32) if x.dtype.itemsize == 2 else x


def _delivered(xp: Any, value: Any, x: Any, out: Any) -> Any:
    return _into(xp, xp.asarray(value, dtype=x.dtype), out)


def _implement_gated(name: str, gate: Gate) -> None:
    @portable.implements(prim.GATED[name])
    def value(xp, x, *, out=None, residuals=False):
        factor = xp.asarray(gate.of(xp, _wide(x)))
        return _delivered(xp, _wide(x) * factor, x, out), (factor,) if residuals else ()

    @portable.implements(prim.GATED_GRAD[name])
    def gradient(xp, g, x, *kept, out=None):
        wide = _wide(x)
        factor = kept[0] if kept else gate.of(xp, wide)
        slope = gate.steepness(xp, wide, factor) * wide + factor
        return _delivered(xp, _wide(g) * slope, x, out)


def _implement_rectifier(name: str, rectifier: Rectifier) -> None:
    @portable.implements(prim.RECTIFIERS[name])
    def value(xp, x, *, alpha, out=None):
        return _delivered(xp, rectifier.of(xp, _wide(x), alpha), x, out)

    @portable.implements(prim.RECTIFIER_GRADS[name])
    def gradient(xp, g, x, *, alpha, out=None):
        return _delivered(xp, _wide(g) * rectifier.slope(xp, _wide(x), alpha), x, out)


for _name, _gate in GATES.items():
    _implement_gated(_name, _gate)
for _name, _rectifier in RECTIFIERS.items():
    _implement_rectifier(_name, _rectifier)
