"""Layer and RMS normalisation in simple array functions.

Rows count from their first element: where the mean is far from zero, no digits are lost. The residuals are the means
from there, unless rows are not centred, and 1 / √(mean square + epsilon), both of shape (..., 1).
"""

from __future__ import annotations

from gpunet.backend.portable import portable
from gpunet.backend.portable.elementwise import _into, _wide
from gpunet.backend.primitives import nn as prim


def _mean(xp, x):
    return xp.mean(x, axis=-1, keepdims=True)


@portable.implements(prim.layer_norm)
def layer_norm(xp, x, gamma, beta, *, epsilon, centred, out=None, residuals=False):
    y, shift = _wide(x), ()
    if centred:
        y = y - y[..., :1]
        shift = (_mean(xp, y),)
        y = y - shift[0]
    inverse = 1 / xp.sqrt(_mean(xp, xp.square(y)) + epsilon)
    y = y * inverse
    y = y if gamma is None else y * gamma
    y = y if beta is None else y + beta
    return _into(xp, y.astype(x.dtype, copy=False), out), (*shift, inverse) if residuals else ()


@portable.implements(prim.layer_norm_grad)
def layer_norm_grad(xp, g, x, gamma, *statistics, centred, parameters, out=None):
    wide_g, normalised, inverse = _wide(g), _wide(x), statistics[-1]
    if centred:
        normalised = normalised - normalised[..., :1] - statistics[0]
    normalised = normalised * inverse
    h = wide_g if gamma is None else wide_g * gamma
    dx = h - normalised * _mean(xp, h * normalised)
    dx = (dx - _mean(xp, h) if centred else dx) * inverse
    axes = tuple(range(x.ndim - 1))
    sums = [xp.sum(terms, axis=axes) for terms in (wide_g * normalised, wide_g)[:parameters]]
    return _into(xp, dx.astype(x.dtype, copy=False), out), *sums
