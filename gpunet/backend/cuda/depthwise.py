"""Convolution of each channel by itself, and its two adjoints."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from gpunet.backend.cuda.arrays import contiguous, empty, vector
from gpunet.backend.cuda.gemm import reduce_splits
from gpunet.backend.cuda.geometry import Geometry
from gpunet.backend.cuda.launcher import Family, Kernel
from gpunet.backend.cuda.tiles import accumulator, storage
from gpunet.backend.dtypes import FLOAT16, FLOAT32, FLOAT64

_WIDTHS: dict[np.dtype, tuple[int, ...]] = {FLOAT32: (4, 1), FLOAT64: (1,), FLOAT16: (4, 1)}
DEPTHWISE = Family(
    "depthwise.cu",
    [
        {**storage(dtype), "RANK": rank, "WIDTH": width}
        for dtype, widths in _WIDTHS.items()
        for rank in (2, 3)
        for width in widths
    ],
)
_LANES, _ROWS = 32, 8  # of a block that sums for the filter
_BLOCKS = 512  # of such a sum on a large GPU
_PLACES = 32  # that a thread sums at least


class _Launch(NamedTuple):
    kernel: Kernel
    shape: np.ndarray
    width: int


@functools.lru_cache(4096)
def _launch(name: str, dtype: np.dtype, g: Geometry, activation: str | None = None) -> _Launch:
    multiplier = g.columns // g.channels
    wide = multiplier == 1 and g.channels % 4 == 0 and name != "depthwise_weight"
    width = max(w for w in _WIDTHS[dtype] if wide or w == 1)
    specialisation = DEPTHWISE(**storage(dtype), RANK=len(g.spatial), WIDTH=width)
    kernel = specialisation[name]
    shape = kernel.struct(
        "shape",
        places=g.out,
        positions=g.spatial,
        taps=g.window,
        strides=g.strides,
        low=g.low,
        dilation=g.dilation,
        pieces=(g.channels if name == "depthwise_input" else g.columns) // width,
        multiplier=multiplier,
        channels=g.channels,
        columns=g.columns,
        place_count=g.batch * math.prod(g.out),
        activate=int(activation == "relu"),
    )
    return _Launch(kernel, shape, width)


def depthwise_conv(g: Geometry, x: Any, w: Any, bias: Any, activation: str | None, out: Any) -> None:
    """out = act(conv(x, w) + bias)."""
    kernel, shape, width = _launch("depthwise", x.dtype, g, activation)
    count = out.size // width
    kernel(math.ceil(count / kernel.threads), vector(x), vector(w), bias, out, shape, count)


def depthwise_input_grad(geometry: Geometry, g: Any, w: Any, out: Any) -> None:
    """out = the adjoint in the input."""
    kernel, shape, width = _launch("depthwise_input", g.dtype, geometry)
    count = out.size // width
    kernel(math.ceil(count / kernel.threads), vector(g), vector(w), out, shape, count)


def depthwise_weight_grad(geometry: Geometry, x: Any, g: Any, out: Any) -> None:
    """out = the adjoint in the filter."""
    kernel, shape, _ = _launch("depthwise_weight", x.dtype, geometry)
    places, taps = geometry.batch * math.prod(geometry.out), math.prod(geometry.window)
    tiles = math.ceil(geometry.columns / _LANES)
    splits = max(1, min(_BLOCKS // (tiles * taps), places // (_ROWS * _PLACES)))
    depth = math.ceil(places / splits)
    splits = math.ceil(places / depth)
    sums = accumulator(out.dtype)
    whole = splits == 1 and sums == out.dtype
    parts = out if whole else empty(out, (splits, *out.shape), sums)
    kernel((tiles, splits, taps), contiguous(x), contiguous(g), parts, shape, depth)
    if not whole:
        reduce_splits(parts, None, out)
