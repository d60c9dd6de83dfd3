"""Primitives that move or create elements without arithmetic."""

from __future__ import annotations

import itertools

import numpy as np

from gpunet.backend.abstract import AbstractArray
from gpunet.backend.dtypes import INT32
from gpunet.backend.primitive import Primitive

# Views where the backend can: the result may share memory with x.
reshape = Primitive("reshape", lambda x, *, shape: AbstractArray(shape, x.dtype), is_view=True)
transpose = Primitive(
    "transpose", lambda x, *, axes: AbstractArray(tuple(x.shape[a] for a in axes), x.dtype), is_view=True
)
broadcast_to = Primitive("broadcast_to", lambda x, *, shape: AbstractArray(shape, x.dtype), is_view=True)
flip = Primitive("flip", lambda x, *, axis: AbstractArray(x.shape, x.dtype), is_view=True)


def _infer_concatenate(*arrays, axis):
    total = sum(a.shape[axis] for a in arrays)
    shape = arrays[0].shape
    return AbstractArray((*shape[:axis], total, *shape[axis + 1 :]), arrays[0].dtype)


def _infer_pad(x, *, pad_width, value=0):
    return AbstractArray(tuple(n + lo + hi for n, (lo, hi) in zip(x.shape, pad_width)), x.dtype)


concatenate = Primitive("concatenate", _infer_concatenate)
pad = Primitive("pad", _infer_pad)


def index_shape(shape, arrays, spec):
    """The shape of `x[spec]` for an x of `shape`, where the ARRAY placeholders of `spec` take `arrays` in turn."""
    probe = np.broadcast_to(np.int8(0), shape)
    # Each index array takes one element here, which leaves a view: NumPy would copy what an array selects.
    index = tuple(slice(0, 1) if item is ARRAY else item for item in spec)
    try:
        view = probe[index].shape
    except IndexError as error:
        raise IndexError(f"{error}. Received: an index of an array of shape {tuple(shape)}") from None
    return _with_selection(view, arrays, spec, len(shape)) if arrays else view


def _with_selection(view, arrays, spec, ndim):
    """`view` without the axes of the index arrays and with their common shape, where NumPy puts it: in the place of
    the first index array or int if all of them are neighbours, else in front."""
    selected = np.broadcast_shapes(*(a.shape for a in arrays))
    used = sum(item is not None and item is not Ellipsis for item in spec)
    kept, places, axis = [], [], 0
    for i, item in enumerate(spec):
        if item is Ellipsis:
            kept += view[axis : axis + ndim - used]
            axis += ndim - used
        elif item is ARRAY or isinstance(item, int):
            places.append((i, len(kept)))
            axis += item is ARRAY
        else:
            kept.append(view[axis])
            axis += 1
    kept += view[axis:]
    together = all(b[0] == a[0] + 1 for a, b in itertools.pairwise(places))
    at = places[0][1] if together else 0
    return (*kept[:at], *selected, *kept[at:])


class _ArraySlot:
    """In an index specification, the place of the next index array."""

    def __repr__(self):
        return "ARRAY"


ARRAY = _ArraySlot()

# getitem(x, *index_arrays, spec): x[spec] with each ARRAY in the tuple `spec` replaced by an index array.
getitem = Primitive(
    "getitem",
    lambda x, *arrays, spec: AbstractArray(index_shape(x.shape, arrays, spec), x.dtype),
    is_view=True,
)
# scatter(g, *index_arrays, spec, shape): zeros(shape) with g added at [spec]; repeated places accumulate.
scatter = Primitive("scatter", lambda g, *arrays, spec, shape: AbstractArray(shape, g.dtype))


def _infer_take_along(x, indices, *, axis):
    return AbstractArray(indices.shape, x.dtype)


# take_along_axis with indices of x's rank, broadcast already except along `axis`.
take_along_axis = Primitive("take_along_axis", _infer_take_along)
put_along_axis = Primitive("put_along_axis", lambda g, indices, *, axis, shape: AbstractArray(shape, g.dtype))
one_hot = Primitive("one_hot", lambda x, *, num_classes, dtype: AbstractArray((*x.shape, num_classes), dtype))
argsort = Primitive("argsort", lambda x, *, axis: AbstractArray(x.shape, INT32))
