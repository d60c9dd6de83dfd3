"""Joining, padding, choosing and spreading elements."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from gpunet.backend.cuda.arrays import contiguous, copy_into, deliver, empty, flat_grid, implements, reach, target
from gpunet.backend.cuda.copying import MOVE, WORDS
from gpunet.backend.cuda.elementwise import bits_of, fill
from gpunet.backend.cuda.launcher import LARGEST_GRID, Family, address, pack
from gpunet.backend.cuda.layouts import GROUP, MAX_RANK, Memory, map_layout, memory_of
from gpunet.backend.cuda.mapping import can_map
from gpunet.backend.cuda.sorting import sort_lines
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.dtypes import INT32
from gpunet.backend.portable.shape import fill_slots
from gpunet.backend.primitives import elementwise as elementwise_prim
from gpunet.backend.primitives import shape as prim

_PARTIALS = {
    "float": "float",
    "double": "double",
    "float16": "float",
    "bfloat16": "float",
    "int": "int",
    "long long": "long long",
}
SCATTER = Family("scatter.cu", [{"TYPE": c_type, "PARTIAL": partial} for c_type, partial in _PARTIALS.items()])
THREADS = 256


# Views that may need a copy, and copies into places


@implements(prim.reshape, where=lambda x, *, shape: not x.flags.c_contiguous)
def reshape(x, *, shape, out=None):
    view = x if _is_view(x.shape, x.strides, shape) else contiguous(x)
    return deliver(view.reshape(shape), out)


@functools.lru_cache(1024)
def _is_view(shape, strides, new_shape) -> bool:
    """Whether an array of these strides can be reshaped without a copy."""
    stand_in = np.lib.stride_tricks.as_strided(np.empty(0, np.uint8), shape, strides)
    try:
        np.reshape(stand_in, new_shape, copy=False)
    except ValueError:
        return False
    return True


@implements(prim.concatenate, where=lambda *arrays, axis: len({a.dtype for a in arrays}) == 1)
def concatenate(*arrays, axis, out=None):
    first = arrays[0]
    total = sum(a.shape[axis] for a in arrays)
    result = target(out, first, (*first.shape[:axis], total, *first.shape[axis + 1 :]), alignment=1)
    start = 0
    for a in arrays:
        stop = start + a.shape[axis]
        copy_into(result[(slice(None),) * axis + (slice(start, stop),)], a)
        start = stop
    return deliver(result, out)


@implements(prim.pad, where=lambda x, *, pad_width, value=0: x.dtype in C_TYPES)
def pad(x, *, pad_width, value=0, out=None):
    shape = tuple(n + low + high for n, (low, high) in zip(x.shape, pad_width))
    result = fill(target(out, x, shape, alignment=1), value)
    copy_into(_part(result, tuple(slice(low, low + n) for n, (low, _) in zip(x.shape, pad_width))), x)
    return deliver(result, out)


def _part(x: Any, index: tuple) -> Any:
    """The view x[index], also of a single element, of which plain indexing may make a number."""
    return x[index if Ellipsis in index else (*index, Ellipsis)]


# Indexing


class _Plan(NamedTuple):
    """x[spec] in two steps: slices make a view, and arrays choose along `axes` of the view.

    The axes of the broadcast index arrays, of `index_shape`, come before axis `position` of the axes that are left.
    """

    view: tuple
    axes: tuple[int, ...]
    position: int
    index_shape: tuple[int, ...]
    shape: tuple[int, ...]  # of the result


def _plan(shape: tuple[int, ...], arrays: Any, spec: tuple) -> _Plan | None:
    """The plan for an array of `shape`; None for a specification that is an error."""
    text = tuple((slice, i.start, i.stop, i.step) if type(i) is slice else i for i in spec)
    return _parsed(shape, tuple(a.shape for a in arrays), text)


@functools.lru_cache(1024)
def _parsed(shape, index_shapes, text) -> _Plan | None:
    items = [slice(*item[1:]) if type(item) is tuple else item for item in text]
    missing = len(shape) - sum(item is not None and item is not Ellipsis for item in items)
    if Ellipsis not in items:
        items.append(Ellipsis)
    try:
        index_shape = np.broadcast_shapes(*index_shapes)
        position = _position(items, missing)
        at = items.index(Ellipsis)
        items[at : at + 1] = [slice(None)] * missing
        view = tuple(slice(None) if item is prim.ARRAY else item for item in items)
        sizes = np.broadcast_to(np.int8(0), shape)[view].shape
    except (IndexError, ValueError):
        return None
    axes, axis = [], 0
    for item in items:
        if item is prim.ARRAY:
            axes.append(axis)
        axis += type(item) is not int
    left = [n for d, n in enumerate(sizes) if d not in axes]
    result = (*left[:position], *index_shape, *left[position:])
    return _Plan(view, tuple(axes), position, index_shape, result)


def _position(items: list, missing: int) -> int:
    """Where the axes of the index arrays go: in the place of the first, or to the front where a slice separates them.

    An ellipsis separates them even where it stands for no axis, and an int counts as one of them.
    """
    advanced = [n for n, item in enumerate(items) if item is prim.ARRAY or type(item) is int]
    if advanced[-1] - advanced[0] != len(advanced) - 1:
        return 0
    before = items[: advanced[0]]
    return len(before) + (missing - 1 if Ellipsis in before else 0)


def _index(array: Any) -> tuple[Any, Any]:
    """An index array as the kernels take it: (int32, None) or (None, int64)."""
    if array.dtype == INT32:
        return array, None
    return None, array if array.dtype == np.int64 else elementwise_prim.cast(array, dtype=np.dtype("int64"))


def _used(pair: tuple[Any, Any]) -> Any:
    return pair[1] if pair[0] is None else pair[0]


def _offsets(pairs: Any, sizes: Any, strides: Any, shape: tuple[int, ...], offsets: Memory | None = None) -> Any:
    """int32 Σ wrapped index · stride over index arrays that broadcast to `shape`, plus the offsets of `offsets`."""
    out = empty(_used(pairs[0]), shape, INT32)
    kernel = MOVE(TYPE="unsigned int")["index_offsets"]
    for n, (pair, size, stride) in enumerate(zip(pairs, sizes, strides)):
        extra = offsets if n == 0 else None
        layout, groups = map_layout(kernel, shape, memory_of(out), memory_of(_used(pair)), extra)
        kernel(flat_grid(out, groups, THREADS), *pair, out, size, stride, int(n > 0), layout)
    return out


def _take(x: Any, strides: tuple[int, ...], pair: Any, index: Memory, size: int, stride: int, out: Any) -> Any:
    """Launch `take`: `strides` are x's in bytes along the axes of `out`, 0 where it is indexed.

    `stride` is x's in elements along the indexed axis, `size` that axis's, or 0 where the indices are offsets.
    """
    word = WORDS[x.dtype.itemsize]
    kernel = MOVE(TYPE=C_TYPES[word])["take"]
    itemsize = x.dtype.itemsize
    aligned = address(x) % min(GROUP * itemsize, 16) == 0 and stride % GROUP == 0
    source = Memory(out.shape, strides, itemsize, aligned)
    layout, groups = map_layout(kernel, out.shape, memory_of(out), source, index)
    kernel(flat_grid(out, groups, THREADS), x.view(word), *pair, out.view(word), size, stride, layout)
    return out


def _element_strides(x: Any) -> list[int]:
    return [s // x.dtype.itemsize for s in x.strides]


def _gathers(x, *arrays, spec):
    if not arrays:
        return True
    known = x.dtype.itemsize in WORDS and all(a.dtype.kind in "iu" and a.ndim <= MAX_RANK for a in arrays)
    plan = _plan(x.shape, arrays, spec) if known else None
    return plan is not None and len(plan.shape) <= MAX_RANK and 0 < math.prod(plan.shape) < 2**31 and x.size < 2**31


@implements(prim.getitem, where=_gathers)
def getitem(x, *arrays, spec, out=None):
    if not arrays:
        return deliver(x[spec], out)
    plan = _plan(x.shape, arrays, spec)
    assert plan is not None
    view = x[plan.view]
    if len(arrays) > 1 and reach(view) >= 2**31:  # offsets of several index arrays are counted in 32 bits
        view = contiguous(view)
    result = target(out, x, plan.shape, alignment=1)
    left = [s for d, s in enumerate(view.strides) if d not in plan.axes]
    strides = (*left[: plan.position], *[0] * len(plan.index_shape), *left[plan.position :])
    pairs = [_index(a) for a in arrays]
    steps = _element_strides(view)
    if len(pairs) == 1:
        pair, size, stride = pairs[0], view.shape[plan.axes[0]], steps[plan.axes[0]]
    else:
        sizes = [view.shape[d] for d in plan.axes]
        pair = _offsets(pairs, sizes, [steps[d] for d in plan.axes], plan.index_shape), None
        size, stride = 0, 1
    used = _used(pair)
    behind = len(left) - plan.position  # axes after those of the indices
    index = Memory((*used.shape, *[1] * behind), (*used.strides, *[0] * behind), used.dtype.itemsize, False)
    return deliver(_take(view, strides, pair, index, size, stride, result), out)


def _takes_along(x, indices, *, axis):
    return x.dtype.itemsize in WORDS and indices.dtype.kind in "iu" and can_map(indices) and x.size > 0


@implements(prim.take_along_axis, where=_takes_along)
def take_along_axis(x, indices, *, axis, out=None):
    result = target(out, x, indices.shape, alignment=1)
    pair = _index(indices)
    strides = tuple(0 if d == axis else s for d, s in enumerate(x.strides))
    index = memory_of(_used(pair))
    stride = _element_strides(x)[axis]
    return deliver(_take(x, strides, pair, index, x.shape[axis], stride, result), out)


# Spreading


def _spreads(g, *arrays, spec, shape):
    if not arrays:
        return g.dtype in C_TYPES
    plan = _plan(shape, arrays, spec) if _adds(g, *arrays, shape=shape) else None
    return plan is not None and len(plan.shape) <= MAX_RANK and 0 < math.prod(plan.shape) < 2**30


def _adds(g, *indices, shape):
    known = C_TYPES.get(g.dtype) in _PARTIALS and all(a.dtype.kind in "iu" and a.size > 0 for a in indices)
    return known and all(a.ndim <= MAX_RANK for a in (g, *indices)) and 0 < g.size < 2**30 and math.prod(shape) < 2**31


@implements(prim.scatter, where=_spreads)
def scatter(g, *arrays, spec, shape, out=None):
    result = fill(target(out, g, shape, alignment=1), 0)
    if not arrays:
        copy_into(_part(result, fill_slots(spec, ())), g)
        return deliver(result, out)
    plan = _plan(shape, arrays, spec)
    assert plan is not None
    view = result[plan.view]
    g = _broadcast(g, plan.shape)
    steps = _element_strides(view)
    sizes, strides = [view.shape[d] for d in plan.axes], [steps[d] for d in plan.axes]
    offsets = _offsets([_index(a) for a in arrays], sizes, strides, plan.index_shape)
    columns = [(view.shape[d], steps[d]) for d in range(view.ndim) if d not in plan.axes]
    rows = range(plan.position, plan.position + len(plan.index_shape))
    _add_rows(g, rows, offsets.reshape(-1), columns, view)
    return deliver(result, out)


def _broadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """A view of g in the shape that it is added with."""
    return g if g.shape == shape else prim.broadcast_to(g, shape=shape)


@implements(prim.put_along_axis, where=lambda g, indices, *, axis, shape: _adds(g, indices, shape=shape))
def put_along_axis(g, indices, *, axis, shape, out=None):
    result = fill(target(out, g, shape, alignment=1), 0)
    strides = tuple(0 if d == axis else s for d, s in enumerate(result.strides))
    own = Memory(indices.shape, strides, result.dtype.itemsize, False)
    stride = _element_strides(result)[axis]
    offsets = _offsets([_index(indices)], [shape[axis]], [stride], indices.shape, own)
    _add_rows(_broadcast(g, indices.shape), range(g.ndim), offsets.reshape(-1), [], result)
    return deliver(result, out)


def _add_rows(g: Any, row_axes: range, offsets: Any, columns: list[tuple[int, int]], out: Any) -> None:
    """Add each row of g at its offset of `out`; the rows lie along `row_axes`, the others are `columns` of `out`."""
    c_type = C_TYPES[g.dtype]
    kernel = SCATTER(TYPE=c_type, PARTIAL=_PARTIALS[c_type])["scatter_sum"]
    targets, order = sort_lines(offsets)
    layout, grid = _scatter_layout(kernel, g.shape, g.strides, g.dtype.itemsize, row_axes, tuple(columns))
    kernel(grid, g, targets, order, out, layout)


@functools.lru_cache(1024)
def _scatter_layout(kernel, shape, strides, itemsize, row_axes, columns):
    steps = [s // itemsize for s in strides]
    column_steps = [s for d, s in enumerate(steps) if d not in row_axes]
    sizes = [n for n, _ in columns]
    count = math.prod(sizes)
    width = min(32, 1 << (count - 1).bit_length())
    rows = [shape[d] for d in row_axes]
    fields = {
        "sizes": _filled(sizes, 1),
        "out_strides": _filled([s for _, s in columns], 0),
        "g_strides": _filled(column_steps, 0),
        "rank": len(sizes),
        "columns": count,
        "rows": math.prod(rows),
        "log_lanes": (THREADS // width).bit_length() - 1,
        "row_sizes": _filled(rows, 1),
        "row_strides": _filled([steps[d] for d in row_axes], 0),
        "row_rank": len(rows),
    }
    layout = pack(kernel.signature.parameters[-1].dtype, fields, f"{kernel.name}: layout")
    return layout, (math.prod(rows), min(-(-count // width), LARGEST_GRID))


def _filled(values, missing):
    return [*values, *[missing] * (MAX_RANK - len(values))]


def _has_one_hot(x, *, num_classes, dtype):
    known = x.dtype.kind in "iu" and dtype.itemsize in WORDS
    return known and 0 < x.size * num_classes < 2**31


@implements(prim.one_hot, where=_has_one_hot)
def one_hot(x, *, num_classes, dtype, out=None):
    result = target(out, x, (*x.shape, num_classes), dtype, alignment=1)
    word = WORDS[dtype.itemsize]
    kernel = MOVE(TYPE=C_TYPES[word])["one_hot"]
    pair = [None if a is None else contiguous(a) for a in _index(x)]
    grid = flat_grid(result, result.size, THREADS)
    kernel(grid, *pair, result.view(word), bits_of(1, dtype), num_classes, result.size)
    return deliver(result, out)
