"""Reductions. Sums of narrow integers and float16 accumulate in a wider type, then narrow."""

from __future__ import annotations

from gpunet.backend.dtypes import BFLOAT16, FLOAT32, as_dtype
from gpunet.backend.portable import portable
from gpunet.backend.portable.elementwise import _into
from gpunet.backend.primitives import reduction as prim

_WIDER = {as_dtype("float16"): FLOAT32, BFLOAT16: FLOAT32}


def _reduce(name, xp, x, axis, keepdims, out):
    wide = _WIDER.get(x.dtype, x.dtype)
    result = getattr(xp, name)(x, axis=axis, dtype=wide, keepdims=keepdims)
    return _into(xp, xp.asarray(result, dtype=x.dtype), out)


@portable.implements(prim.sum)
def sum_(xp, x, *, axis=None, keepdims=False, out=None):
    return _reduce("sum", xp, x, axis, keepdims, out)


@portable.implements(prim.prod)
def prod(xp, x, *, axis=None, keepdims=False, out=None):
    return _reduce("prod", xp, x, axis, keepdims, out)


@portable.implements(prim.mean)
def mean(xp, x, *, axis=None, keepdims=False, out=None):
    return _reduce("mean", xp, x, axis, keepdims, out)


def _select(name):
    def select(xp, x, *, axis=None, keepdims=False, out=None):
        return _into(xp, xp.asarray(getattr(xp, name)(x, axis=axis, keepdims=keepdims)), out)

    return select


for _name in ("amax", "amin", "any", "all"):
    portable.implements(getattr(prim, _name))(_select(_name))


def _index_of(name):
    def index_of(xp, x, *, axis, keepdims=False, out=None):
        index = getattr(xp, name)(x, axis=axis, keepdims=keepdims)
        return _into(xp, xp.asarray(index, dtype="int32"), out)

    return index_of


argmax = portable.implements(prim.argmax)(_index_of("argmax"))
portable.implements(prim.argmin)(_index_of("argmin"))


def _scan(name):
    def scan(xp, x, *, axis, out=None):
        return _into(xp, getattr(xp, name)(x, axis=axis, dtype=x.dtype), out)

    return scan


portable.implements(prim.cumsum)(_scan("cumsum"))
portable.implements(prim.cumprod)(_scan("cumprod"))
