"""Matrix products: batched matmul with broadcasting, and a Dense layer's product with its weight gradient."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gpunet.backend.cuda import tiles
from gpunet.backend.cuda.arrays import contiguous, deliver, empty, implements, is_float, reach, target
from gpunet.backend.cuda.launcher import VECTOR_BYTES, Family, Kernel, address
from gpunet.backend.cuda.runtime import runtime_of
from gpunet.backend.cuda.tiles import TILES, Plan, accumulator, storage
from gpunet.backend.primitive import backend_of
from gpunet.backend.primitives import matmul as prim

GEMM = Family("gemm.cu", [tile.defines(dtype) for dtype, shapes in TILES.items() for tile in shapes])
REDUCE = Family("reduce_splits.cu", [storage(dtype) for dtype in TILES])
_BATCH_AXES = 4
_LARGEST_SPREAD = 2**27  # terms of a product of integers that are written side by side


class Moments(NamedTuple):
    """Origin, mean from there and Σ (y − mean)² of each column of a product, for every `tile_rows` of its rows."""

    arrays: tuple[Any, Any, Any]
    tile_rows: int


class Launch(NamedTuple):
    """A kernel of tiles with its plan and the arguments behind the arrays.

    `moments` is what it gets for those of its columns: three arrays, three times None, or nothing where it leaves none.
    """

    kernel: Kernel
    plan: Plan
    arguments: tuple
    moments: tuple = ()

    def run(self, a: Any, b: Any, bias: Any, out: Any, activation: str | None) -> None:
        """out = act(the product of a and b + bias)."""
        splits, more = self.plan.splits, (*self.moments, *self.arguments)
        if splits == 1:
            self.kernel(self.plan.blocks, a, b, bias, out, None, *more)
            return
        parts = empty(out, (splits, *out.shape), accumulator(out.dtype))
        self.kernel(self.plan.blocks, a, b, None, None, parts, *more)
        reduce_splits(parts, bias, out, activation)

    def run_with_moments(self, a: Any, b: Any, out: Any) -> Moments | None:
        """out = the product, and its moments; None where it is cut into parts along the inner dimension."""
        if self.plan.splits > 1:
            self.run(a, b, None, out, None)
            return None
        tile_rows, columns = self.plan.tile.m, out.shape[-1]
        shape = (math.ceil(out.size // columns / tile_rows), columns)
        moments = empty(out, shape), empty(out, shape), empty(out, shape)
        self._replace(moments=moments).run(a, b, None, out, None)
        return Moments(moments, tile_rows)


def product(a: Any, b: Any, bias: Any = None, activation: str | None = None, out: Any = None) -> Any:
    """act(a @ b + bias) for a (..., m, k) and b (..., k, n) of one float dtype, with any strides."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    launch, a, b = planned(a, b, batch, activation)
    result = target(out, a, (*batch, a.shape[-2], b.shape[-1]))
    launch.run(a, b, bias, result, activation)
    return deliver(result, out)


def planned(a: Any, b: Any, batch: tuple[int, ...], activation: str | None) -> tuple[Launch, Any, Any]:
    """The launch for a `batch` of products, and the operands as it reads them."""
    a, b = _readable(a), _readable(b)
    axes = _batch_axes(batch, a, b)
    if len(axes) > _BATCH_AXES:
        a, b = (_broadcast(x, batch) for x in (a, b))
        axes = _batch_axes(batch, a, b)
    (rows, depth), columns = a.shape[-2:], b.shape[-1]
    wide = _is_wide(a), _is_wide(b)
    plan = tiles.choose(TILES[a.dtype], wide, rows, columns, depth, math.prod(batch), True)
    strides = _strides(a)[-2:], _strides(b)[-2:]
    return _launch(a.dtype, plan, rows, columns, depth, *strides, axes, activation), a, b


def product_of_any(xp: Any, cupys: Callable, a: Any, b: Any, out: Any = None) -> Any:
    """a @ b in the place of CuPy's, which loads cuBLAS whatever the dtype; that is left with large ones of integers."""
    if min(a.ndim, b.ndim) < 2 or a.shape[-1] != b.shape[-2] or a.dtype != b.dtype:
        return cupys(a, b, out=out)
    if is_float(a, b):
        with runtime_of(a).scope(a):
            return product(a, b, out=out)
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    if not (a.size and b.size):
        return deliver(xp.zeros(shape, a.dtype), out)
    if a.dtype.kind in "iub" and math.prod(shape) * a.shape[-1] <= _LARGEST_SPREAD:
        terms = xp.multiply(a[..., :, :, None], b[..., None, :, :])
        return deliver(xp.any(terms, axis=-2) if a.dtype.kind == "b" else xp.sum(terms, axis=-2, dtype=a.dtype), out)
    return cupys(a, b, out=out)


def reduce_splits(parts: Any, bias: Any, out: Any, activation: str | None = None) -> None:
    """out = act(the sum of `parts` over the first axis + bias), in order."""
    kernel = REDUCE(**storage(out.dtype))["reduce_splits"]
    blocks = math.ceil(out.size / kernel.threads)
    kernel(blocks, parts, bias, out, out.size, parts.shape[0], out.shape[-1], int(activation == "relu"))


@functools.lru_cache(4096)
def _launch(
    dtype: np.dtype, plan: Plan, rows: int, columns: int, depth: int, a: tuple, b: tuple, axes: tuple, activation: str
) -> Launch:
    kernel = GEMM(**plan.tile.defines(dtype))["gemm"]
    axes = ((1, 0, 0),) * (_BATCH_AXES - len(axes)) + axes
    sizes, a_batch, b_batch = zip(*axes)
    shape = kernel.struct(
        "shape",
        rows=rows,
        columns=columns,
        depth=depth,
        a_row=a[0],
        a_inner=a[1],
        b_inner=b[0],
        b_column=b[1],
        batch=sizes,
        a_batch=a_batch,
        b_batch=b_batch,
        part=rows * columns * math.prod(sizes),
        activate=int(activation == "relu"),
    )
    return Launch(kernel, plan, (shape, kernel.struct("tiles", **plan.fields(rows, columns))), (None,) * 3)


def _strides(array: Any) -> tuple[int, ...]:
    """Strides in elements; 0 for axes of size 1, where they mean nothing."""
    return tuple(s // array.dtype.itemsize if n > 1 else 0 for s, n in zip(array.strides, array.shape))


def _readable(array: Any) -> Any:
    """The array if neighbours along one of its last two axes are neighbours in memory, else a copy."""
    whole = all(s % array.dtype.itemsize == 0 for s in array.strides) and reach(array) < 2**31
    return array if whole and (1 in _strides(array)[-2:] or array.shape[-2:] == (1, 1)) else contiguous(array)


def _is_wide(array: Any) -> bool:
    """True if pieces of four along the axis of unit stride are all whole and aligned."""
    *others, row, column = _strides(array)
    along, across = (array.shape[-1], row) if column == 1 else (array.shape[-2], column)
    if 1 not in (row, column) or along % 4 or address(array) % VECTOR_BYTES:
        return False
    return all(stride % 4 == 0 for stride in (across, *others))


def _broadcast(array: Any, batch: tuple[int, ...]) -> Any:
    xp = backend_of(type(array)).xp
    return contiguous(xp.broadcast_to(array, (*batch, *array.shape[-2:])))


def _batch_axes(batch: tuple[int, ...], a: Any, b: Any) -> tuple[tuple[int, int, int], ...]:
    """(size, stride of a, stride of b) for each axis of the batch, neighbours joined where both step through as one."""
    axes: list[tuple[int, int, int]] = []
    steps = [(0,) * (len(batch) - len(s)) + s for s in (_strides(a)[:-2], _strides(b)[:-2])]
    for n, i, j in zip(batch, *steps):
        if n == 1:
            continue
        if axes and axes[-1][1] == n * i and axes[-1][2] == n * j:
            axes[-1] = (axes[-1][0] * n, i, j)
        else:
            axes.append((n, i, j))
    return tuple(axes)


def _takes_matmul(a, b, *, transpose_a=False, transpose_b=False):
    if not is_float(a, b) or min(a.ndim, b.ndim) < 2:
        return False
    inner = a.shape[-2 if transpose_a else -1], b.shape[-1 if transpose_b else -2]
    return inner[0] == inner[1]  # where they differ, the portable implementation says so


@implements(prim.matmul, where=_takes_matmul)
def matmul(a, b, *, transpose_a=False, transpose_b=False, out=None):
    return product(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b, out=out)


def _takes_linear(x, w, b, *, activation=None):
    return is_float(x, w, b) and activation in (None, "relu") and x.shape[-1] == w.shape[0]


def _as_rows(x: Any) -> Any:
    """(..., k) as (rows, k) without a copy where the layout allows."""
    return x if x.ndim == 2 else contiguous(x).reshape(-1, x.shape[-1])


@implements(prim.linear, where=_takes_linear)
def linear(x, w, b, *, activation=None, out=None):
    result = target(out, x, (*x.shape[:-1], w.shape[1]))
    product(_as_rows(x), w, None if b is None else contiguous(b), activation, result.reshape(-1, w.shape[1]))
    return deliver(result, out)


@implements(prim.linear_weight_grad, where=is_float)
def linear_weight_grad(x, g, *, out=None):
    return product(_as_rows(x).swapaxes(0, 1), _as_rows(g), out=out)
