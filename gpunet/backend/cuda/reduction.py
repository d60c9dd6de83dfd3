"""Reductions over any axes, and scans along one."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from gpunet.backend.cuda.arrays import contiguous, deliver, empty, implements, target
from gpunet.backend.cuda.launcher import Family, Kernel, pack
from gpunet.backend.cuda.layouts import MAX_RANK, merged_axes
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.dtypes import BOOL, FLOATS, INT32
from gpunet.backend.primitives import reduction as prim

_PARTIALS = {
    "float": "float",
    "double": "double",
    "float16": "float",
    "bfloat16": "float",
    "int": "int",
    "long long": "long long",
    "unsigned char": "unsigned char",
    "bool": "bool",
}
REDUCTION = Family("reduction.cu", [{"TYPE": c_type, "PARTIAL": partial} for c_type, partial in _PARTIALS.items()])
SCAN = Family("scan.cu", TYPE=("float", "double", "int", "long long"))

THREADS = 256
_PARTIAL_DTYPES = {d: np.dtype("float32") if d in FLOATS and d.itemsize == 2 else d for d in C_TYPES}
_ELEMENTS_A_LANE = 16  # at least, before a reduction is split
_ENOUGH_BLOCKS = 512  # so many fill any device: a constant, so that results are the same on all


def _specialisation(dtype):
    c_type = C_TYPES[dtype]
    return REDUCTION(TYPE=c_type, PARTIAL=_PARTIALS[c_type])


def _reduces(dtypes=None):
    def where(x, *, axis=None, keepdims=False):
        known = C_TYPES.get(x.dtype) in _PARTIALS if dtypes is None else x.dtype in dtypes
        return known and 0 < x.size < 2**31 - 2**12 and x.ndim <= MAX_RANK

    return where


def _reduce(name: str, x: Any, axis: Any, keepdims: bool, out: Any) -> Any:
    shape = prim.reduced_shape(x.shape, axis, keepdims)
    result = target(out, x, shape, alignment=1)
    kernel = _specialisation(x.dtype)[f"reduce_{name}"]
    plan = _plan(kernel, x.shape, x.strides, x.dtype.itemsize, axis)
    if plan.splits == 1:
        kernel(plan.grid, x, None, result, None, plan.layout)
        return deliver(result, out)
    partial = empty(x, (plan.splits, plan.kept), _PARTIAL_DTYPES[x.dtype])
    kernel(plan.grid, x, None, None, partial, plan.layout)
    kernel(plan.second.grid, None, partial, result, None, plan.second.layout)
    return deliver(result, out)


def _find(name: str, x: Any, axis: int, keepdims: bool, out: Any) -> Any:
    shape = prim.reduced_shape(x.shape, (axis,), keepdims)
    result = target(out, x, shape, INT32, alignment=1)
    kernel = _specialisation(x.dtype)[f"reduce_{name}"]
    plan = _plan(kernel, x.shape, x.strides, x.dtype.itemsize, (axis,))
    if plan.splits == 1:
        kernel(plan.grid, x, None, result, plan.layout)
        return deliver(result, out)
    found = empty(x, (plan.splits, plan.kept), INT32)
    kernel(plan.grid, x, None, found, plan.layout)
    kernel(plan.second.grid, x, found, result, plan.second.layout)
    return deliver(result, out)


class _Plan:
    """How a reduction is launched: results, chunks, lanes, and the second launch that joins the chunks.

    Args:
        kept: sizes and strides of the kept axes, farthest first.
        reduced: the same of the reduced axes.
        chunks: of an earlier launch, whose partial results this one reduces; 0 for a first launch.
    """

    def __init__(self, kernel: Kernel, kept, reduced, chunks: int = 0):
        self.kept, self.count = math.prod(kept[0]), math.prod(reduced[0])
        elements = chunks or self.count
        is_row = (not chunks and abs(reduced[1][-1]) <= abs(kept[1][-1])) or self.kept == 1
        lanes = _lanes(self.kept, elements, is_row or chunks > 0)
        blocks = -(-self.kept * lanes // THREADS)
        self.splits = 1 if chunks else _splits(elements, lanes, blocks)
        chunk = -(-elements // self.splits)
        self.splits = -(-elements // chunk)
        self.grid = (blocks, self.splits)
        self.layout = pack(
            kernel.signature.parameters[-1].dtype,
            {
                **_axes("kept", *kept),
                **_axes("reduced", *reduced),
                "kept": self.kept,
                "reduced": elements,
                "chunk": chunk,
                "log_lanes": lanes.bit_length() - 1,
                "is_row": int(is_row),
                "count": self.count,
            },
            f"{kernel.name}: layout",
        )
        self.second = _Plan(kernel, kept, reduced, self.splits) if self.splits > 1 else self


@functools.lru_cache(1024)
def _plan(kernel, shape, strides, itemsize, axis) -> _Plan:
    axes = range(len(shape)) if axis is None else axis
    steps = [s // itemsize for s in strides]
    kept = [(n, s) for d, (n, s) in enumerate(zip(shape, steps)) if d not in axes]
    reduced = [(n, s) for d, (n, s) in enumerate(zip(shape, steps)) if d in axes]
    return _Plan(kernel, _in_place(kept), _sorted(reduced) if "arg" not in kernel.name else _in_place(reduced))


def _sorted(axes):
    """Sizes and strides, the closest axis last, neighbours joined: the order of a sum is that of the memory."""
    return merged_axes([n for n, _ in axes], [s for _, s in axes])


def _in_place(axes):
    """Sizes and strides with neighbours joined, in the order of the result."""
    joined: list[tuple[int, int]] = []
    for n, step in axes:
        if n == 1:
            continue
        if joined and joined[-1][1] == n * step:
            joined[-1] = (joined[-1][0] * n, step)
        else:
            joined.append((n, step))
    return tuple(zip(*(joined or [(1, 1)])))


def _axes(name, sizes, strides):
    missing = [0] * (MAX_RANK - len(sizes))
    return {
        f"{name}_sizes": [*sizes, *[1] * len(missing)],
        f"{name}_strides": [*strides, *missing],
        f"{name}_rank": len(sizes),
    }


def _lanes(kept: int, elements: int, is_short: bool) -> int:
    """Threads for each result, a power of two: four elements each of rows and of partial results, which are quick to
    reach; for columns as many as neighbouring results leave over."""
    if is_short:
        return min(THREADS, _power_of_two(-(-elements // 4)))
    return THREADS // min(32, _power_of_two(kept))


def _power_of_two(n: int) -> int:
    return 1 << (n - 1).bit_length()


def _splits(elements: int, lanes: int, blocks: int) -> int:
    return max(1, min(elements // (lanes * _ELEMENTS_A_LANE), _ENOUGH_BLOCKS // blocks))


@implements(prim.sum, where=_reduces())
def sum_(x, *, axis=None, keepdims=False, out=None):
    return _reduce("sum", x, axis, keepdims, out)


@implements(prim.prod, where=_reduces())
def prod(x, *, axis=None, keepdims=False, out=None):
    return _reduce("prod", x, axis, keepdims, out)


@implements(prim.mean, where=_reduces(FLOATS))
def mean(x, *, axis=None, keepdims=False, out=None):
    return _reduce("mean", x, axis, keepdims, out)


def _select(name, kernel, dtypes=None):
    @implements(getattr(prim, name), where=_reduces(dtypes))
    def select(x, *, axis=None, keepdims=False, out=None):
        return _reduce(kernel, x, axis, keepdims, out)


_select("amax", "amax")
_select("amin", "amin")
_select("any", "amax", {BOOL})
_select("all", "amin", {BOOL})


def _index_of(name):
    @implements(getattr(prim, name), where=_reduces())
    def index_of(x, *, axis, keepdims=False, out=None):
        return _find(name, x, axis, keepdims, out)


_index_of("argmax")
_index_of("argmin")


def _scannable(x, *, axis):
    return SCAN.variants.get((("TYPE", C_TYPES.get(x.dtype)),)) is not None and 0 < x.size < 2**31 - 2**12


def _scan(name, kernel):
    @implements(getattr(prim, name), where=_scannable)
    def scan(x, *, axis, out=None):
        size, inner = x.shape[axis], math.prod(x.shape[axis + 1 :])
        lines = x.size // size
        lanes = 1 if inner >= 32 else min(THREADS, _power_of_two(-(-size // 4)))
        result = target(out, x, x.shape, alignment=1)
        run = SCAN(TYPE=C_TYPES[x.dtype])[kernel]
        run(-(-lines * lanes // THREADS), contiguous(x), result, lines, size, inner, lanes.bit_length() - 1)
        return deliver(result, out)


_scan("cumsum", "scan_sum")
_scan("cumprod", "scan_prod")
