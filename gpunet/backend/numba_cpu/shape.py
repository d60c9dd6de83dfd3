"""Adding rows at places that may repeat, as the gradient of an embedding does; NumPy adds them one number at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.backend.cpu.results import deliver, target
from gpunet.backend.numba_cpu import loops, numba
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.primitives import shape as prim

_SMALL = 1 << 11  # numbers
_ADD_ROWS = {
    "i": Loop(loops.add_rows, "void(float32[:, ::1], int32[::1], float32[:, ::1], intp)", saving=6.0),
    "l": Loop(loops.add_rows, "void(float32[:, ::1], int64[::1], float32[:, ::1], intp)", saving=6.0),
}


def _adds_rows(g, arrays, spec, shape) -> bool:
    """Whether whole rows of a float32 array are added at one array's integers, all of which are places."""
    if len(arrays) != 1 or spec[:1] != (prim.ARRAY,) or any(item != slice(None) for item in spec[1:]):
        return False
    (places,) = arrays
    if g.dtype.char != "f" or places.dtype.char not in _ADD_ROWS or g.size < _SMALL:
        return False
    return g.shape == (*places.shape, *shape[1:])


def _are_places(places, count: int) -> bool:
    return bool(-count <= np.minimum.reduce(places, axis=None) and np.maximum.reduce(places, axis=None) < count)


def _as_rows(g, places, out) -> tuple[Any, Any, Any]:
    return g.reshape(places.size, -1), places.reshape(-1), out.reshape(len(out), -1)


@numba.implements(prim.scatter)
def scatter(g, *arrays, spec, shape, out=None):
    if not _adds_rows(g, arrays, spec, shape):
        return NotImplemented
    code = _ADD_ROWS[arrays[0].dtype.char].when_ready(g.size)
    if code is None or not _are_places(arrays[0], shape[0]):
        return NotImplemented
    result = target(shape, out)
    code(*_as_rows(*(np.ascontiguousarray(a) for a in (g, arrays[0])), result))
    return deliver(result, out)
