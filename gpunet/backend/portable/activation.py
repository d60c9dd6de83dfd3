"""Activations of several steps, and their slopes times a gradient, in simple array functions.

Numbers of 16 bits are computed in float32. The residual of a gated activation is its gate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from gpunet.backend.portable import portable
from gpunet.backend.portable.elementwise import _into, _wide
from gpunet.backend.primitives import elementwise as prim

_erf, _sigmoid = prim.UNARY["erf"], prim.UNARY["sigmoid"]
_TWICE = math.sqrt(8 / math.pi)


class Gate(NamedTuple):
    """A function `of(xp, x, out)`, and its derivative `steepness(xp, x, gate, out)`; both fill `out` and return it.

    Large temporaries cost NumPy's threads more than the arithmetic does.
    """

    of: Callable[[Any, Any, Any], Any]
    steepness: Callable[[Any, Any, Any, Any], Any]


class Rectifier(NamedTuple):
    """A function `of(xp, x, alpha)`, and its derivative `slope(xp, x, alpha)`."""

    of: Callable[[Any, Any, float], Any]
    slope: Callable[[Any, Any, float], Any]


def _gelu(xp, x, out):
    xp.multiply(x, math.sqrt(0.5), out=out)
    xp.add(_erf(out, out=out), 1, out=out)
    return xp.multiply(out, 0.5, out=out)


def _normal_density(xp, x, gate, out):
    xp.multiply(x, x, out=out)
    xp.exp(xp.multiply(out, -0.5, out=out), out=out)
    return xp.multiply(out, math.sqrt(0.5 / math.pi), out=out)


def _gelu_tanh(xp, x, out):
    """(1 + tanh(u)) / 2 = sigmoid(2u) for u = √(2/π)·(x + 0.044715·x³)."""
    xp.multiply(x, x, out=out)
    xp.multiply(out, 0.044715 * _TWICE, out=out)
    xp.multiply(xp.add(out, _TWICE, out=out), x, out=out)
    return _sigmoid(out, out=out)


def _gelu_tanh_steepness(xp, x, gate, out):
    rise = x * x
    rise = rise * (3 * 0.044715 * _TWICE) + _TWICE
    return xp.multiply(_bell(xp, x, gate, out), rise, out=out)


def _bell(xp, x, gate, out):
    return xp.multiply(xp.subtract(1, gate, out=out), gate, out=out)


def _mish(xp, x, out):
    """tanh(log(1 + e^x)) = n / (n + 2) with n = e^x·(e^x + 2), which is 1 beyond 20."""
    power = xp.exp(xp.minimum(x, 20, out=out), out=out)
    n = xp.multiply(power, power + 2, out=out)
    return xp.divide(n, n + 2, out=out)


def _mish_steepness(xp, x, gate, out):
    xp.subtract(1, xp.multiply(gate, gate, out=out), out=out)
    return xp.multiply(out, _sigmoid(x), out=out)


GATES = {
    "gelu": Gate(_gelu, _normal_density),
    "gelu_tanh": Gate(_gelu_tanh, _gelu_tanh_steepness),
    "silu": Gate(lambda xp, x, out: _sigmoid(x, out=out), _bell),
    "mish": Gate(_mish, _mish_steepness),
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


def _delivered(xp: Any, value: Any, x: Any, out: Any) -> Any:
    return _into(xp, xp.asarray(value, dtype=x.dtype), out)


def _like(xp: Any, x: Any) -> Any:
    return xp.empty(x.shape, x.dtype)


def _implement_gated(name: str, gate: Gate) -> None:
    @portable.implements(prim.GATED[name])
    def value(xp, x, *, out=None, residuals=False):
        wide = _wide(x)
        factor = gate.of(xp, wide, _like(xp, wide))
        return _delivered(xp, wide * factor, x, out), (factor,) if residuals else ()

    @portable.implements(prim.GATED_GRAD[name])
    def gradient(xp, g, x, *kept, out=None):
        wide = _wide(x)
        factor = kept[0] if kept else gate.of(xp, wide, _like(xp, wide))
        slope = gate.steepness(xp, wide, factor, _like(xp, wide)) * wide + factor
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
