"""Shape primitives: views where the namespace gives views."""

from __future__ import annotations

from gpunet.backend.portable import portable
from gpunet.backend.portable.elementwise import _into
from gpunet.backend.primitives import shape as prim


def _view_or_fill(xp, view, out):
    return view if out is None else _into(xp, view, out)


@portable.implements(prim.reshape)
def reshape(xp, x, *, shape, out=None):
    return _view_or_fill(xp, x.reshape(shape), out)


@portable.implements(prim.transpose)
def transpose(xp, x, *, axes, out=None):
    return _view_or_fill(xp, x.transpose(axes), out)


@portable.implements(prim.broadcast_to)
def broadcast_to(xp, x, *, shape, out=None):
    return _view_or_fill(xp, xp.broadcast_to(x, shape), out)


@portable.implements(prim.flip)
def flip(xp, x, *, axis, out=None):
    return _view_or_fill(xp, xp.flip(x, axis), out)


@portable.implements(prim.concatenate)
def concatenate(xp, *arrays, axis, out=None):
    return xp.concatenate(arrays, axis=axis, out=out)


@portable.implements(prim.pad)
def pad(xp, x, *, pad_width, value=0, out=None):
    shape = tuple(n + lo + hi for n, (lo, hi) in zip(x.shape, pad_width))
    out = xp.empty(shape, x.dtype) if out is None else out
    out.fill(value)
    out[tuple(slice(lo, lo + n) for n, (lo, _) in zip(x.shape, pad_width))] = x
    return out


def fill_slots(spec, arrays):
    """The index tuple: each ARRAY of `spec` replaced by the next index array."""
    queue = iter(arrays)
    return tuple(next(queue) if item is prim.ARRAY else item for item in spec)


@portable.implements(prim.getitem)
def getitem(xp, x, *arrays, spec, out=None):
    result = x[fill_slots(spec, arrays)]
    return _view_or_fill(xp, result if hasattr(result, "dtype") else xp.asarray(result), out)


@portable.implements(prim.scatter)
def scatter(xp, g, *arrays, spec, shape, out=None):
    out = xp.zeros(shape, g.dtype) if out is None else out
    out.fill(0)
    if arrays:
        xp.add.at(out, fill_slots(spec, arrays), g)
    else:
        out[spec] = g
    return out


@portable.implements(prim.take_along_axis)
def take_along_axis(xp, x, indices, *, axis, out=None):
    return _view_or_fill(xp, xp.take_along_axis(x, indices, axis=axis), out)


def _along_axis(xp, indices, axis):
    """The full open index of `take_along_axis`: an arange per axis, `indices` at `axis`."""
    ndim = indices.ndim
    aranges = [xp.arange(n).reshape((1,) * d + (n,) + (1,) * (ndim - d - 1)) for d, n in enumerate(indices.shape)]
    aranges[axis] = indices
    return tuple(aranges)


@portable.implements(prim.put_along_axis)
def put_along_axis(xp, g, indices, *, axis, shape, out=None):
    out = xp.zeros(shape, g.dtype) if out is None else out
    out.fill(0)
    xp.add.at(out, _along_axis(xp, indices, axis), g)
    return out


@portable.implements(prim.one_hot)
def one_hot(xp, x, *, num_classes, dtype, out=None):
    hot = xp.equal(x[..., None], xp.arange(num_classes, dtype=x.dtype))
    return hot.astype(dtype) if out is None else _into(xp, hot, out)


@portable.implements(prim.argsort)
def argsort(xp, x, *, axis, out=None):
    return _into(xp, xp.argsort(x, axis=axis, kind="stable").astype("int32"), out)
