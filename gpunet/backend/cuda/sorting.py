"""Stable sorts, and the positions that the sorted elements came from."""

from __future__ import annotations

from typing import Any

from gpunet.backend.cuda.arrays import contiguous, copy_into, empty, flat_grid, implements
from gpunet.backend.cuda.launcher import Family
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.dtypes import INT32
from gpunet.backend.primitives import shape as prim

SORT = Family("sort.cu", TYPE=("float", "double", "int", "long long"))
TILE = 256


def sort_lines(keys: Any) -> tuple[Any, Any]:
    """The contiguous lines of `keys` sorted along the last axis, and the int32 places of their elements before."""
    size = keys.shape[-1]
    kernels = SORT(TYPE=C_TYPES[keys.dtype])
    tiles = -(-size // TILE)
    found, order = empty(keys, keys.shape), empty(keys, keys.shape, INT32)
    kernels["sort_tiles"](tiles * (keys.size // size), keys, found, order, size, tiles)
    run, merge = TILE, kernels["merge_runs"]
    grid = flat_grid(keys, keys.size, merge.threads)
    while run < size:
        merged, merged_order = empty(keys, keys.shape), empty(keys, keys.shape, INT32)
        merge(grid, found, order, merged, merged_order, size, run, keys.size)
        found, order = merged, merged_order
        run *= 2
    return found, order


def _sortable(x, *, axis):
    return SORT.variants.get((("TYPE", C_TYPES.get(x.dtype)),)) is not None and 0 < x.size < 2**30


@implements(prim.argsort, where=_sortable)
def argsort(x, *, axis, out=None):
    axes = (*(d for d in range(x.ndim) if d != axis), axis) if x.ndim else ()
    _, order = sort_lines(contiguous(x.transpose(axes)) if x.ndim else x.reshape(1))
    order = order.transpose([axes.index(d) for d in range(x.ndim)]) if x.ndim else order.reshape(())
    if out is None:
        return order
    copy_into(out, order)
    return out
