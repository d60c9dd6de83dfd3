"""Activations of several steps, and their slopes times a gradient, in simple array functions.

Numbers of 16 bits are computed in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gpunet.backend.dtypes import FLOAT32
from gpunet.backend.portable import portable
from gpunet.backend.portable.elementwise import _into
from gpunet.backend.primitive import Primitive
from gpunet.backend.primitives import elementwise as prim

_erf, _sigmoid = prim.UNARY["erf"], prim.UNARY["sigmoid"]


def _normal_share(x):
    """The normal distribution's Φ(x)."""
    return (_erf(x * math.sqrt(0.5)) + 1) * 0.5


def _steep_sigmoid(x):
    """sigmoid(2u) = (1 + tanh(u)) / 2 for u = √(2/π)·(x + 0.044715·x³)."""
    return _sigmoid((x * x * 0.044715 + 1) * x * math.sqrt(8 / math.pi))


def _gelu_slope(xp, x):
    return _normal_share(x) + x * xp.exp(x * x * -0.5) * math.sqrt(0.5 / math.pi)


def _gelu_tanh_slope(xp, x):
    share = _steep_sigmoid(x)
    return share + x * (share * (1 - share)) * ((x * x * 0.134145 + 1) * math.sqrt(8 / math.pi))


def _silu_slope(xp, x):
    share = _sigmoid(x)
    return share + x * (share * (1 - share))


def _tanh_of_softplus(xp, x):
    """n / (n + 2) with n = e^x·(e^x + 2), which is 1 beyond 20."""
    power = xp.exp(xp.minimum(x, 20))
    n = power * (power + 2)
    return n / (n + 2)


def _mish_slope(xp, x):
    share = _tanh_of_softplus(xp, x)
    return share + x * (1 - share * share) * _sigmoid(x)


def _elu(xp, x, alpha):
    return xp.where(x > 0, x, xp.expm1(xp.minimum(x, 0)) * alpha)


def _elu_slope(xp, x, alpha):
    return xp.where(x > 0, 1, xp.exp(xp.minimum(x, 0)) * alpha)


# Each function and its slope.
FORMULAS: dict[str, tuple[Callable, Callable]] = {
    "gelu": (lambda xp, x: x * _normal_share(x), _gelu_slope),
    "gelu_tanh": (lambda xp, x: x * _steep_sigmoid(x), _gelu_tanh_slope),
    "silu": (lambda xp, x: x * _sigmoid(x), _silu_slope),
    "mish": (lambda xp, x: x * _tanh_of_softplus(xp, x), _mish_slope),
    "elu": (_elu, _elu_slope),
    "leaky_relu": (
        lambda xp, x, alpha: xp.where(x > 0, x, x * alpha),
        lambda xp, x, alpha: xp.where(x > 0, 1, xp.asarray(alpha, x.dtype)),
    ),
}


def _wide(x: Any) -> Any:
    return x.astype(FLOAT32) if x.dtype.itemsize == 2 else x


def _implement(primitive: Primitive, formula: Callable) -> None:
    @portable.implements(primitive)
    def value(xp, x, *, out=None, **parameters):
        return _into(xp, xp.asarray(formula(xp, _wide(x), **parameters), dtype=x.dtype), out)


def _implement_grad(primitive: Primitive, slope: Callable) -> None:
    @portable.implements(primitive)
    def gradient(xp, g, x, *, out=None, **parameters):
        return _into(xp, xp.asarray(_wide(g) * slope(xp, _wide(x), **parameters), dtype=x.dtype), out)


for _name, (_formula, _slope) in FORMULAS.items():
    _implement(prim.ACTIVATION[_name], _formula)
    _implement_grad(prim.ACTIVATION_GRAD[_name], _slope)
