"""Layer and RMS normalisation over the last axis, and their backward."""

from __future__ import annotations

import functools
from math import ceil, prod
from typing import Any

import numpy as np

from gpunet.backend.cuda.arrays import contiguous, deliver, empty, implements, target, vector
from gpunet.backend.cuda.launcher import Family, Specialisation
from gpunet.backend.cuda.rows import LARGEST, rows_along
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.dtypes import BFLOAT16, FLOAT16, FLOAT32, FLOAT64
from gpunet.backend.primitives import nn as prim
from gpunet.backend.primitives import reduction

_WIDE: dict[np.dtype, np.dtype] = {FLOAT32: FLOAT32, FLOAT64: FLOAT64, FLOAT16: FLOAT32, BFLOAT16: FLOAT32}
LAYER_NORM = Family("layer_norm.cu", [{"TYPE": C_TYPES[of], "WIDE": C_TYPES[to]} for of, to in _WIDE.items()])
_COLUMNS, _HEIGHT = 32, 8  # of a block that sums columns, as in layer_norm.cu
_ROWS_OF_A_THREAD = 8
_BLOCKS = 1024  # enough for every GPU: the split of a sum must not depend on which it is


def _kernels(dtype: np.dtype) -> Specialisation:
    return LAYER_NORM(TYPE=C_TYPES[dtype], WIDE=C_TYPES[_WIDE[dtype]])


@functools.lru_cache(1024)
def _rows(shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, np.ndarray]:
    """The number of blocks and the kernels' struct for rows of the last axis."""
    blocks, fields = rows_along(shape, len(shape) - 1, dtype)
    return blocks, _kernels(dtype)["layer_norm"].struct("rows", **fields)


@functools.lru_cache(1024)
def _splits(count: int, columns: int) -> tuple[tuple[int, int], int]:
    """The grid that sums columns, and the rows of a split."""
    across = ceil(columns / _COLUMNS)
    splits = max(1, min(ceil(count / (_HEIGHT * _ROWS_OF_A_THREAD)), ceil(_BLOCKS / across)))
    split_rows = ceil(count / splits)
    return (across, ceil(count / split_rows)), split_rows


def _optional(array: Any, prepare: Any) -> Any:
    return None if array is None else prepare(array)


def _takes(x, *parameters, **_):
    """Floats with elements, and parameters of the shape (x.shape[-1],) in the type of the sums, or None."""
    wide = _WIDE.get(x.dtype)
    fits = all(p is None or (p.dtype, p.shape) == (wide, x.shape[-1:]) for p in parameters)
    return wide is not None and 0 < x.size < LARGEST and fits


@implements(prim.layer_norm, where=_takes)
def layer_norm(x, gamma, beta, *, epsilon, centred, out=None, residuals=False):
    x, y, wide = vector(x), target(out, x, x.shape), _WIDE[x.dtype]
    gamma, beta = _optional(gamma, vector), _optional(beta, vector)
    inverses = empty(x, x.shape[:-1], wide) if residuals else None
    shifts = empty(x, x.shape[:-1], wide) if residuals and centred else None
    blocks, rows = _rows(x.shape, x.dtype)
    _kernels(x.dtype)["layer_norm"](blocks, x, gamma, beta, y, shifts, inverses, rows, epsilon, int(centred))
    return deliver(y, out), tuple(s for s in (shifts, inverses) if s is not None)


def _takes_grad(g, x, gamma, *_, **__):
    return _takes(x, gamma) and (g.shape, g.dtype) == (x.shape, x.dtype)


@implements(prim.layer_norm_grad, where=_takes_grad)
def layer_norm_grad(g, x, gamma, *statistics, centred, parameters, out=None):
    g, x, dx = vector(g), vector(x), target(out, x, x.shape)
    shifts, inverses = map(contiguous, statistics) if centred else (None, contiguous(statistics[0]))
    blocks, rows = _rows(x.shape, x.dtype)
    _kernels(x.dtype)["layer_norm_grad"](blocks, g, x, _optional(gamma, vector), shifts, inverses, dx, rows)
    sums = _sums(g, x, shifts, inverses, parameters) if parameters else ()
    return deliver(dx, out), *sums


def _sums(g, x, shifts, inverses, parameters):
    """The gradients of gamma and, for two parameters, of beta."""
    count, columns = prod(x.shape[:-1]), x.shape[-1]
    grid, split_rows = _splits(count, columns)
    partial = empty(x, (grid[1], parameters, columns), _WIDE[x.dtype])
    kernel = _kernels(x.dtype)["layer_norm_grad_sums"]
    kernel(grid, g, x, shifts, inverses, partial, count, columns, split_rows, parameters)
    total = reduction.sum(partial, axis=(0,))
    return tuple(total[i] for i in range(parameters))
