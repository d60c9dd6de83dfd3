"""Elementwise primitives: the namespace's own ufunc wherever one has the name."""

from __future__ import annotations

from gpunet.backend.dtypes import BFLOAT16, FLOAT32, FLOAT64, as_dtype
from gpunet.backend.portable import portable
from gpunet.backend.primitive import UfuncName
from gpunet.backend.primitives import elementwise as prim

_OWN = ("rsqrt", "sigmoid", "softplus", "erf", "relu")

for _table in (prim.UNARY, prim.UNARY_BOOL, prim.BINARY, prim.BINARY_BOOL):
    for _name, _primitive in _table.items():
        if _name not in _OWN:
            portable.implements(_primitive)(UfuncName(_name))


@portable.implements(prim.UNARY["relu"])
def relu(xp, x, *, out=None):
    return xp.maximum(x, 0, out=out)


def _storage(xp, x, out):
    """Where several steps write the result: an array even where ufuncs would make a scalar of a 0-d x."""
    return xp.empty(x.shape, x.dtype) if out is None and not x.ndim else out


@portable.implements(prim.UNARY["rsqrt"])
def rsqrt(xp, x, *, out=None):
    out = xp.sqrt(x, out=_storage(xp, x, out))
    return xp.reciprocal(out, out=out)


# 1 / (1 + exp(−x)) with x bounded below so that exp stays finite; the bound is where the result underflows.
_SIGMOID_BOUND = {FLOAT64: 708.0, FLOAT32: 87.0, BFLOAT16: 87.0, as_dtype("float16"): 11.0}


@portable.implements(prim.UNARY["sigmoid"])
def sigmoid(xp, x, *, out=None):
    out = xp.negative(x, out=_storage(xp, x, out))
    xp.minimum(out, _SIGMOID_BOUND[x.dtype], out=out)
    xp.exp(out, out=out)
    xp.add(out, 1, out=out)
    return xp.reciprocal(out, out=out)


@portable.implements(prim.UNARY["softplus"])
def softplus(xp, x, *, out=None):
    """max(x, 0) + log1p(exp(−|x|))."""
    tail = xp.negative(xp.absolute(x))
    inplace = tail if tail.ndim else None
    tail = xp.log1p(xp.exp(tail, out=inplace), out=inplace)
    return xp.add(xp.maximum(x, 0), tail, out=out)


# erf by rational approximations on three intervals: W. J. Cody, "Rational Chebyshev approximation for the error
# function", Math. Comp. 23 (1969); error below 1e-15.
_ERF_SMALL = (
    (3.16112374387056560e00, 1.13864154151050156e02, 3.77485237685302021e02, 3.20937758913846947e03),
    1.85777706184603153e-1,
    (2.36012909523441209e01, 2.44024637934444173e02, 1.28261652607737228e03, 2.84423683343917062e03),
)
_ERFC_MIDDLE = (
    (
        5.64188496988670089e-1,
        8.88314979438837594e00,
        6.61191906371416295e01,
        2.98635138197400131e02,
        8.81952221241769090e02,
        1.71204761263407058e03,
        2.05107837782607147e03,
        1.23033935479799725e03,
    ),
    2.15311535474403846e-8,
    (
        1.57449261107098347e01,
        1.17693950891312499e02,
        5.37181101862009858e02,
        1.62138957456669019e03,
        3.29079923573345963e03,
        4.36261909014324716e03,
        3.43936767414372164e03,
        1.23033935480374942e03,
    ),
)


def _rational(z, numerator, lead, denominator):
    top, bottom = lead * z, z
    for a, b in zip(numerator[:-1], denominator[:-1]):
        top, bottom = (top + a) * z, (bottom + b) * z
    return (top + numerator[-1]) / (bottom + denominator[-1])


@portable.implements(prim.UNARY["erf"])
def erf(xp, x, *, out=None):
    wide = x.astype("float64")
    size = xp.minimum(xp.absolute(wide), 6.0)
    small = wide * _rational(size * size, *_ERF_SMALL)
    # Beyond 4 the middle formula's erfc is below 2e-8 and wrong by less than 1e-16.
    tail = 1.0 - xp.exp(-size * size) * _rational(size, *_ERFC_MIDDLE)
    result = xp.where(size <= 0.46875, small, xp.copysign(tail, wide)).astype(x.dtype)
    return _into(xp, result, out)


def _wide(x):
    """What numbers of 16 bits are computed in."""
    return x.astype(FLOAT32) if x.dtype.itemsize == 2 else x


def _into(xp, value, out):
    if out is None:
        return value
    out[...] = value
    return out


@portable.implements(prim.where)
def where(xp, condition, x, y, *, out=None):
    dtype = x.dtype if hasattr(x, "dtype") else y.dtype
    return _into(xp, xp.where(condition, x, y).astype(dtype, copy=False), out)


@portable.implements(prim.clip)
def clip(xp, x, low, high, *, out=None):
    return xp.minimum(xp.maximum(x, low), high, out=out)


@portable.implements(prim.cast)
def cast(xp, x, *, dtype, out=None):
    return x.astype(dtype) if out is None else _into(xp, x, out)


@portable.implements(prim.copy)
def copy(xp, x, *, out=None):
    return x.copy() if out is None else _into(xp, x, out)


@portable.implements(prim.zeros_like)
def zeros_like(xp, x, *, out=None):
    return xp.zeros(x.shape, x.dtype) if out is None else _into(xp, 0, out)


@portable.implements(prim.ones_like)
def ones_like(xp, x, *, out=None):
    return xp.full(x.shape, 1, x.dtype) if out is None else _into(xp, 1, out)


@portable.implements(prim.relu_grad)
def relu_grad(xp, g, y, *, out=None):
    return xp.multiply(g, xp.greater(y, 0), out=out)


@portable.implements(prim.tanh_grad)
def tanh_grad(xp, g, y, *, out=None):
    slope = xp.multiply(y, y)
    slope = xp.subtract(1, slope, out=slope if slope.ndim else None)
    return xp.multiply(g, slope, out=out)


@portable.implements(prim.sigmoid_grad)
def sigmoid_grad(xp, g, y, *, out=None):
    slope = xp.subtract(1, y)
    slope = xp.multiply(slope, y, out=slope if slope.ndim else None)
    return xp.multiply(g, slope, out=out)
