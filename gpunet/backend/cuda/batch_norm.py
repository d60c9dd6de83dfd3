"""Batch normalisation, alone, behind a convolution and ended by an addition and a ReLU; scale and shift by channel."""

from __future__ import annotations

import functools
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from gpunet.backend.cuda.arrays import contiguous, deliver, empty, implements, is_real, target, vector
from gpunet.backend.cuda.conv import conv_with_moments, takes_conv
from gpunet.backend.cuda.launcher import VECTOR_BYTES, Family
from gpunet.backend.cuda.source import C_TYPES
from gpunet.backend.primitives import nn as prim

BATCH_NORM = Family("batch_norm.cu", TYPE=("float", "double"))
_THREADS = 256
_FINISH_LANES = 8  # as in batch_norm.cu
_LARGEST = 2**31 - 2**16  # rows beyond the last one are counted in 32 bits
_REDUCING_BLOCKS, _MAPPING_BLOCKS = (
    1024,
    8192,
)  # enough for every GPU: the split of a sum must not depend on which it is
_ROWS_OF_A_THREAD = 8


class _Split(NamedTuple):
    """How a matrix is cut: blocks for the columns times splits of the rows, and the kernels' struct that says so."""

    grid: tuple[int, int]
    tile: np.ndarray

    @property
    def splits(self) -> int:
        """The number of splits."""
        return self.grid[1]


@functools.lru_cache(1024)
def _split(rows: int, channels: int, dtype: np.dtype, blocks: int) -> _Split:
    width = VECTOR_BYTES // dtype.itemsize
    wide = channels % width == 0
    columns = channels // width if wide else channels
    lanes = _lanes(columns)
    height = _THREADS // lanes
    across = ceil(columns / lanes)
    splits = max(1, min(ceil(rows / (height * _ROWS_OF_A_THREAD)), ceil(blocks / across)))
    split_rows = ceil(ceil(rows / splits) / height) * height
    fields = {"rows": rows, "channels": channels, "split_rows": split_rows, "lane_bits": lanes.bit_length() - 1}
    kernel = BATCH_NORM(TYPE=C_TYPES[dtype])["batch_norm_apply"]
    return _Split((across, ceil(rows / split_rows)), kernel.struct("tile", **fields, wide=int(wide)))


def _lanes(columns: int) -> int:
    """Columns of a block, a power of two: the fewest idle threads, and whole sectors of memory."""
    if columns < _FINISH_LANES:
        return 1 << (columns - 1).bit_length()
    return min((32, 16, 8), key=lambda lanes: ceil(columns / lanes) * lanes)


def _matrix(x: Any, blocks: int) -> _Split:
    return _split(x.size // x.shape[-1], x.shape[-1], x.dtype, blocks)


def _kernels(x):
    return BATCH_NORM(TYPE=C_TYPES[x.dtype])


def _optional(array):
    return None if array is None else vector(array)


def _is_covered(*arrays, **_):
    return is_real(*arrays) and max(a.size for a in arrays if a is not None) < _LARGEST


def _by_channel(x, *parameters, **_):
    """Parameters of the shape (channels,), or None; others broadcast."""
    return _is_covered(x, *parameters) and all(p is None or p.shape == x.shape[-1:] for p in parameters)


def _partial(x, split, count):
    """Arrays for the results of the splits."""
    return tuple(empty(x, (split.splits, x.shape[-1])) for _ in range(count))


class _Statistics(NamedTuple):
    """Of each channel: mean, that with a bias which x is without, biased variance, 1 / √(variance + epsilon)."""

    mean: Any
    shifted: Any
    variance: Any
    inverse: Any


def _statistics(x, epsilon, bias=None):
    kernels, split = _kernels(x), _matrix(x, _REDUCING_BLOCKS)
    partial = _partial(x, split, 3)
    kernels["batch_norm_moments"](split.grid, x, *partial, split.tile)
    return _finished(x, partial, split.tile, epsilon, bias)


def _finished(x, partial, tile, epsilon, bias):
    """The statistics, from origins, means and squares of the splits, (splits, channels)."""
    mean, variance, inverse = (empty(x, x.shape[-1:]) for _ in range(3))
    shifted = None if bias is None else empty(x, x.shape[-1:])
    blocks = ceil(x.shape[-1] / _FINISH_LANES)
    arrays = (*partial, bias, mean, shifted, variance, inverse)
    _kernels(x)["batch_norm_finish"](blocks, *arrays, tile, partial[0].shape[0], epsilon)
    return _Statistics(mean, mean if bias is None else shifted, variance, inverse)


@functools.lru_cache(1024)
def _tile_of_moments(rows: int, channels: int, tile_rows: int, dtype: np.dtype) -> np.ndarray:
    kernel = BATCH_NORM(TYPE=C_TYPES[dtype])["batch_norm_finish"]
    return kernel.struct("tile", rows=rows, channels=channels, split_rows=tile_rows, lane_bits=0, wide=0)


def _statistics_of_moments(x, moments, epsilon, bias):
    """The same as `_statistics` from what a convolution left, without reading x."""
    tile = _tile_of_moments(x.size // x.shape[-1], x.shape[-1], moments.tile_rows, x.dtype)
    return _finished(x, moments.arrays, tile, epsilon, bias)


def _apply(x, mean, inverse, gamma, beta, addend, relu, out):
    split = _matrix(x, _MAPPING_BLOCKS)
    y = target(out, x, x.shape)
    arrays = (x, mean, inverse, gamma, beta, addend)
    kernel = _kernels(x)["batch_norm_apply"]
    kernel(split.grid, *map(_optional, arrays), y, split.tile, int(relu))
    return deliver(y, out)


@implements(prim.batch_norm, where=_by_channel)
def batch_norm(x, gamma, beta, *, epsilon, out=None, residuals=False):
    x = vector(x)
    found = _statistics(x, epsilon)
    y = _apply(x, found.mean, found.inverse, gamma, beta, None, False, out)
    return (y, found.mean, found.variance), (found.mean, found.inverse) if residuals else ()


def _with_addend(x, gamma, beta, addend, **_):
    return _by_channel(x, gamma, beta) and (addend is None or (is_real(x, addend) and addend.shape == x.shape))


@implements(prim.batch_norm_relu, where=_with_addend)
def batch_norm_relu(x, gamma, beta, addend, *, epsilon, out=None, residuals=False):
    x = vector(x)
    found = _statistics(x, epsilon)
    y = _apply(x, found.mean, found.inverse, gamma, beta, addend, True, out)
    return (y, found.mean, found.variance), (found.mean, found.inverse, y) if residuals else ()


def _takes_conv_batch_norm(x, w, b, gamma, beta, addend, *, epsilon, relu, **geometry):
    if not (is_real(x, w, b, gamma, beta) and takes_conv(x, w, b, **geometry)):
        return False
    result = prim.conv_batch_norm.infer(x, w, b, gamma, beta, addend, epsilon=epsilon, relu=relu, **geometry)[0]
    fits = addend is None or (is_real(x, addend) and addend.shape == result.shape)
    return result.size < _LARGEST and fits and all(p is None or p.shape == result.shape[-1:] for p in (gamma, beta))


@implements(prim.conv_batch_norm, where=_takes_conv_batch_norm)
def conv_batch_norm(
    x,
    w,
    b,
    gamma,
    beta,
    addend,
    *,
    strides,
    padding,
    dilation,
    groups,
    epsilon,
    relu,
    out=None,
    residuals=False,
):
    """The statistics come from the tiles of the convolution, which are not read again for them.

    A bias cancels in the normalisation: it is added to the mean alone, and costs no digits however large it is.
    """
    z, moments = conv_with_moments(x, w, strides=strides, padding=padding, dilation=dilation, groups=groups)
    bias = None if b is None else contiguous(b)
    found = _statistics(z, epsilon, bias) if moments is None else _statistics_of_moments(z, moments, epsilon, bias)
    y = _apply(z, found.mean, found.inverse, gamma, beta, addend, relu, out)
    kept = (z, found.mean, found.inverse, y) if relu else (z, found.mean, found.inverse)
    return (y, found.shifted, found.variance), kept if residuals else ()


@implements(prim.batch_norm_grad, where=_is_covered)
def batch_norm_grad(g, x, gamma, mean, inverse, *, epsilon, out=None):
    return _gradients(g, x, gamma, mean, inverse, None, None, out)


@implements(prim.batch_norm_relu_grad, where=_is_covered)
def batch_norm_relu_grad(g, x, gamma, mean, inverse, y, *, epsilon, with_addend, out=None):
    through = empty(x, x.shape) if with_addend else None
    gradients = _gradients(g, x, gamma, mean, inverse, y, through, out)
    return (*gradients, through) if with_addend else gradients


def _gradients(g, x, gamma, mean, inverse, y, through, out):
    """(dx, dgamma, dbeta); with y, g is that of a ReLU which returned y, and `through` gets what passes it."""
    g, x, y, gamma, mean, inverse = map(_optional, (g, x, y, gamma, mean, inverse))
    kernels, split = _kernels(x), _matrix(x, _REDUCING_BLOCKS)
    partial = _partial(x, split, 2)
    kernels["batch_norm_grad_sums"](split.grid, g, x, y, mean, *partial, split.tile)
    dgamma, dbeta = (empty(x, x.shape[-1:]) for _ in range(2))
    blocks = ceil(x.shape[-1] / _FINISH_LANES)
    kernels["batch_norm_grad_finish"](blocks, *partial, inverse, dgamma, dbeta, split.tile, split.splits)
    dx, split = target(out, x, x.shape), _matrix(x, _MAPPING_BLOCKS)
    arrays = (g, x, y, mean, inverse, gamma, dgamma, dbeta, dx, through)
    kernels["batch_norm_grad_apply"](split.grid, *arrays, split.tile)
    return deliver(dx, out), dgamma, dbeta


@implements(prim.scale_shift, where=_by_channel)
def scale_shift(x, scale, shift, *, out=None):
    return _apply(x, None, scale, None, shift, None, False, out)


@implements(prim.scale_shift_relu, where=_with_addend)
def scale_shift_relu(x, scale, shift, addend, *, out=None):
    return _apply(x, None, scale, None, shift, addend, True, out)
