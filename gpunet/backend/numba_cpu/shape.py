"""Copies of rows, and adding rows at places that may repeat, as the gradient of an embedding does.

NumPy adds them one number at a time, and waits for each row that is not in a cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import config
from gpunet.backend.cpu.results import deliver, target
from gpunet.backend.numba_cpu import loops, numba
from gpunet.backend.numba_cpu.compiled import Loop, is_installed
from gpunet.backend.primitives import shape as prim
from gpunet.backend.rows import Take, takers

_SMALL = 1 << 11  # numbers
_SHARED = 1 << 15  # words of four bytes that are worth several threads
_TAKE_ROWS = Loop(loops.take_rows, "void(int32[:, ::1], int64[::1], int32[:, ::1], intp)", saving=0.1, call_saving=0.0)
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


def _words(x) -> Any:
    """The rows of a contiguous array as words of four bytes, or None."""
    rows = x.reshape(len(x), -1)
    return rows.view(np.int32) if x.flags.c_contiguous and rows.shape[1] * x.itemsize % 4 == 0 else None


def _taker(array: np.ndarray, place: np.ndarray) -> Take | None:
    if place.nbytes < 4 * _SHARED or not is_installed() or "numba" not in config.cpu_providers():
        return None
    of, to, numbers = _words(array), _words(place), np.empty(len(place), np.int64)
    if of is None or to is None:
        return None
    run = _TAKE_ROWS.bound(to.size, of, numbers, to)

    def take(where):
        np.copyto(numbers, where)
        if run() is NotImplemented:
            array.take(where, 0, place, "clip")

    return take


takers.append(_taker)
