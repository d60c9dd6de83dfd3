"""Convolution and its two adjoints as implicit matrix products; 1×1 convolution as a plain one."""

from __future__ import annotations

import functools
import itertools
import math
from itertools import starmap
from typing import Any, NamedTuple

from gpunet.backend.cuda import tiles
from gpunet.backend.cuda.arrays import contiguous, deliver, empty, implements, is_real, target, vector
from gpunet.backend.cuda.gemm import product, reduce_splits
from gpunet.backend.cuda.launcher import Family, Kernel
from gpunet.backend.cuda.tiles import TILES, VOLUME_TILES
from gpunet.backend.primitives import conv as prim

_TABLES: dict[int, dict] = {2: TILES, 3: VOLUME_TILES}
_VARIANTS = [
    {**tile.defines(dtype), "RANK": rank}
    for rank, table in _TABLES.items()
    for dtype, shapes in table.items()
    for tile in shapes
]
CONV = Family("conv.cu", _VARIANTS)
CONV_WEIGHT = Family("conv_weight.cu", _VARIANTS)


class Axis(NamedTuple):
    """One spatial axis of a gather: `places` of the result meet `taps` of the window in an array of `size`.

    Place p and tap t meet at p·place_step + place_first + t·tap_step. Tap t is the filter's first_tap + t·tap_stride,
    and place p the result's first + p·step.
    """

    size: int
    places: int
    place_step: int
    place_first: int
    taps: int
    tap_step: int
    first_tap: int = 0
    tap_stride: int = 1
    first: int = 0
    step: int = 1


def forward_axis(size: int, window: int, stride: int, low: int, dilation: int, out: int) -> Axis:
    """A convolution's axis."""
    return Axis(size, out, stride, -low, window, dilation)


def adjoint_axes(size: int, window: int, stride: int, low: int, dilation: int, out: int) -> list[Axis]:
    """The axis of the adjoint in the input, one for each phase: the gather is from the gradient, of size `out`.

    The places h of a phase have (h + low) mod stride in common, so the taps r with r·dilation of that remainder meet
    them: every stride / gcd(stride, dilation)-th.
    """
    period = stride // math.gcd(stride, dilation)
    axes = []
    for phase in range(stride):
        first = (phase - low) % stride
        places = len(range(first, size, stride))
        first_tap = next((r for r in range(period) if (r * dilation - phase) % stride == 0), window)
        taps = len(range(first_tap, window, period))
        meets = (first + low - first_tap * dilation) // stride
        step = -(period * dilation // stride)
        if places:
            axes.append(Axis(out, places, 1, meets, taps, step, first_tap, period, first, stride))
    return axes


def _steps(sizes: tuple[int, ...], channels: int) -> list[int]:
    """Elements from image to image of a channels-last array, then from place to place along each spatial axis."""
    steps = [channels]
    for n in reversed(sizes):
        steps.append(steps[-1] * n)
    return steps[::-1]


class Geometry(NamedTuple):
    """A convolution without its arrays: spatial axes only, two or three of them."""

    batch: int
    spatial: tuple[int, ...]
    window: tuple[int, ...]
    out: tuple[int, ...]
    strides: tuple[int, ...]
    low: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    channels: int  # of the input
    columns: int  # of the output

    @property
    def is_product(self) -> bool:
        """True for a 1×1 convolution of every place."""
        ones = set(self.window) | set(self.strides) == {1}
        return ones and not any(self.low) and self.spatial == self.out and self.groups == 1

    @property
    def is_wide(self) -> bool:
        """True if both sides' channels come in multiples of four in each group."""
        return self.channels // self.groups % 4 == 0 == self.columns // self.groups % 4

    def axes(self) -> list[tuple[int, ...]]:
        """The arguments of `forward_axis` for each axis."""
        return list(zip(self.spatial, self.window, self.strides, self.low, self.dilation, self.out))


@functools.lru_cache(4096)
def geometry_of(batch, spatial, window, strides, padding, dilation, groups, channels, columns) -> Geometry:
    """The geometry of a convolution; one of one axis gets a second of size 1 in front."""
    out = prim.conv_output_shape(spatial, window, strides, padding, dilation)
    low = tuple(lo for lo, _ in padding)
    if len(spatial) == 1:
        spatial, window, out = (1, *spatial), (1, *window), (1, *out)
        strides, low, dilation = (1, *strides), (0, *low), (1, *dilation)
    return Geometry(batch, spatial, window, out, strides, low, dilation, groups, channels, columns)


def _gather(axes: tuple[Axis, ...], batch: int, channels: int, groups: int) -> dict[str, Any]:
    """The struct GatherShape for an array of `channels`."""
    image, *strides = _steps(tuple(a.size for a in axes), channels)
    return {
        "places": [a.places for a in axes],
        "place_step": [a.place_step for a in axes],
        "place_first": [a.place_first for a in axes],
        "taps": [max(a.taps, 1) for a in axes],
        "channels": channels // groups,
        "tap_step": [a.tap_step for a in axes],
        "sizes": [a.size for a in axes],
        "strides": strides,
        "image": image,
        "place_count": batch * math.prod(a.places for a in axes),
        "tap_count": channels // groups * math.prod(a.taps for a in axes),
    }


class _Launch(NamedTuple):
    """A kernel with its grid, the parts that k is cut into, and the arguments behind the arrays."""

    kernel: Kernel
    blocks: int
    splits: int
    arguments: tuple

    def run(self, x: Any, w: Any, bias: Any, out: Any, activation: str | None) -> None:
        if self.splits == 1:
            self.kernel(self.blocks, x, w, bias, out, None, *self.arguments)
            return
        parts = empty(out, (self.splits, *out.shape))
        self.kernel(self.blocks, x, w, None, None, parts, *self.arguments)
        reduce_splits(parts, bias, out, activation)


@functools.lru_cache(4096)
def _gather_launch(dtype, geometry: Geometry, axes: tuple[Axis, ...], adjoint: bool, activation: str | None) -> _Launch:
    """The convolution, or one phase of its adjoint in the input."""
    g, rank = geometry, len(axes)
    channels, columns = (g.columns, g.channels) if adjoint else (g.channels, g.columns)
    gather = _gather(axes, g.batch, channels, g.groups)
    rows, depth, per_group = gather["place_count"], gather["tap_count"], columns // g.groups
    whole = all(a.step == 1 for a in axes)
    plan = tiles.choose(_TABLES[rank][dtype], g.is_wide, rows, per_group, depth, g.groups, whole)
    kernel = CONV(**plan.tile.defines(dtype), RANK=rank)["conv"]
    rows_of_filter = _steps(g.window, g.channels // g.groups * g.columns)[1:]
    result_sizes = tuple(g.spatial) if adjoint else tuple(g.out)
    image, *steps = _steps(result_sizes, columns)
    filter_shape = kernel.struct(
        "filter",
        first=sum(a.first_tap * step for a, step in zip(axes, rows_of_filter)),
        taps=[a.tap_stride * step for a, step in zip(axes, rows_of_filter)],
        channel=1 if adjoint else g.columns,
        column=g.columns if adjoint else 1,
        columns=per_group,
        group=g.columns // g.groups,
    )
    to = kernel.struct(
        "to",
        first=sum(a.first * step for a, step in zip(axes, steps)),
        steps=[a.step * step for a, step in zip(axes, steps)],
        image=image,
        part=g.batch * image,
        activate=int(activation == "relu"),
    )
    cuts = kernel.struct("tiles", **plan.fields(rows, per_group))
    arguments = (kernel.struct("from", **gather), filter_shape, to, cuts, channels // g.groups)
    return _Launch(kernel, plan.blocks, plan.splits, arguments)


@functools.lru_cache(4096)
def _weight_launch(dtype, geometry: Geometry) -> _Launch:
    """The adjoint in the filter."""
    g, rank = geometry, len(geometry.spatial)
    gather = _gather(tuple(starmap(forward_axis, g.axes())), g.batch, g.channels, g.groups)
    rows, depth, columns = gather["tap_count"], gather["place_count"], g.columns // g.groups
    plan = tiles.choose(_TABLES[rank][dtype], g.is_wide, rows, columns, depth, g.groups, True)
    kernel = CONV_WEIGHT(**plan.tile.defines(dtype), RANK=rank)["conv_weight"]
    cuts = kernel.struct("tiles", **plan.fields(rows, columns))
    arguments = (kernel.struct("from", **gather), cuts, g.channels // g.groups, columns, g.columns, rows * g.columns)
    return _Launch(kernel, plan.blocks, plan.splits, arguments)


def _takes(geometry: Geometry) -> bool:
    """True if there is something to compute, and places can be told from what is outside of an array."""
    g = geometry
    sizes = (g.batch * math.prod(g.spatial) * g.channels, g.batch * math.prod(g.out) * g.columns)
    reach = max(n + abs(lo) + d * k for n, lo, d, k in zip(g.spatial, g.low, g.dilation, g.window))
    return len(g.spatial) <= 3 and all(0 < n < 2**31 for n in sizes) and reach < 2**30


def _forward_geometry(x, w, strides, padding, dilation, groups) -> Geometry:
    return geometry_of(
        x.shape[0], x.shape[1:-1], w.shape[:-2], strides, padding, dilation, groups, x.shape[-1], w.shape[-1]
    )


def _takes_conv(x, w, b=None, *, strides, padding, dilation, groups=1, activation=None):
    if not is_real(x, w, b) or activation not in (None, "relu"):
        return False
    return _takes(_forward_geometry(x, w, strides, padding, dilation, groups))


@implements(prim.conv, where=_takes_conv)
def conv(x, w, b=None, *, strides, padding, dilation, groups=1, activation=None, out=None):
    g = _forward_geometry(x, w, strides, padding, dilation, groups)
    shape = prim.conv_output_shape(x.shape[1:-1], w.shape[:-2], strides, padding, dilation)
    result = target(out, x, (x.shape[0], *shape, w.shape[-1]))
    bias = None if b is None else contiguous(b)
    if g.is_product:
        columns = contiguous(w).reshape(g.channels, g.columns)
        product(_rows(x), columns, bias, activation, result.reshape(-1, g.columns))
    else:
        launch = _gather_launch(x.dtype, g, tuple(starmap(forward_axis, g.axes())), False, activation)
        launch.run(vector(x), vector(w), bias, result, activation)
    return deliver(result, out)


def _rows(x: Any) -> Any:
    """(..., channels) as (places, channels)."""
    return contiguous(x).reshape(-1, x.shape[-1])


def _adjoint_geometry(g, w, spatial, strides, padding, dilation, groups) -> Geometry:
    channels = w.shape[-2] * groups
    return geometry_of(
        g.shape[0], tuple(spatial), w.shape[:-2], strides, padding, dilation, groups, channels, w.shape[-1]
    )


def _takes_input_grad(g, w, *, spatial, strides, padding, dilation, groups=1):
    return is_real(g, w) and _takes(_adjoint_geometry(g, w, spatial, strides, padding, dilation, groups))


@implements(prim.conv_input_grad, where=_takes_input_grad)
def conv_input_grad(g, w, *, spatial, strides, padding, dilation, groups=1, out=None):
    geometry = _adjoint_geometry(g, w, spatial, strides, padding, dilation, groups)
    result = target(out, g, (g.shape[0], *spatial, geometry.channels))
    if geometry.is_product:
        columns = contiguous(w).reshape(geometry.channels, geometry.columns)
        product(_rows(g), columns.swapaxes(0, 1), out=result.reshape(-1, geometry.channels))
    else:
        gradient, weights = vector(g), vector(w)
        for axes in itertools.product(*starmap(adjoint_axes, geometry.axes())):
            _gather_launch(g.dtype, geometry, axes, True, None).run(gradient, weights, None, result, None)
    return deliver(result, out)


def _weight_geometry(x, g, window, strides, padding, dilation, groups) -> Geometry:
    return geometry_of(
        x.shape[0], x.shape[1:-1], tuple(window), strides, padding, dilation, groups, x.shape[-1], g.shape[-1]
    )


def _takes_weight_grad(x, g, *, window, strides, padding, dilation, groups=1):
    return is_real(x, g) and _takes(_weight_geometry(x, g, window, strides, padding, dilation, groups))


@implements(prim.conv_weight_grad, where=_takes_weight_grad)
def conv_weight_grad(x, g, *, window, strides, padding, dilation, groups=1, out=None):
    geometry = _weight_geometry(x, g, window, strides, padding, dilation, groups)
    result = target(out, x, (*window, x.shape[-1] // groups, g.shape[-1]))
    if geometry.is_product:
        product(_rows(x).swapaxes(0, 1), _rows(g), out=result.reshape(geometry.channels, geometry.columns))
    else:
        _weight_launch(x.dtype, geometry).run(vector(x), vector(g), None, result, None)
    return deliver(result, out)
