"""Convolution and its two adjoints as implicit matrix products; 1×1 convolution as a plain one."""

from __future__ import annotations

import functools
import itertools
import math
from itertools import starmap
from typing import Any

from gpunet.backend.cuda import tiles
from gpunet.backend.cuda.arrays import contiguous, deliver, empty, implements, is_float, target, vector
from gpunet.backend.cuda.depthwise import depthwise_conv, depthwise_input_grad, depthwise_weight_grad
from gpunet.backend.cuda.gemm import Launch, Moments, planned, product
from gpunet.backend.cuda.geometry import (
    Axis,
    Geometry,
    adjoint_axes,
    adjoint_geometry,
    forward_axis,
    forward_geometry,
    is_computable,
    steps,
    weight_geometry,
)
from gpunet.backend.cuda.launcher import Family
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


def _gather(axes: tuple[Axis, ...], batch: int, channels: int, groups: int) -> dict[str, Any]:
    """The struct GatherShape for an array of `channels`."""
    image, *strides = steps(tuple(a.size for a in axes), channels)
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


@functools.lru_cache(4096)
def _gather_launch(dtype, geometry: Geometry, axes: tuple[Axis, ...], adjoint: bool, activation: str | None) -> Launch:
    """The convolution, or one phase of its adjoint in the input."""
    g, rank = geometry, len(axes)
    channels, columns = (g.columns, g.channels) if adjoint else (g.channels, g.columns)
    gather = _gather(axes, g.batch, channels, g.groups)
    rows, depth, per_group = gather["place_count"], gather["tap_count"], columns // g.groups
    whole = all(a.step == 1 for a in axes)
    # The filter's neighbours are output channels, which the adjoint sums and convolution does not.
    wide = (g.wide_columns, g.wide_columns) if adjoint else (g.wide_channels, g.wide_columns)
    plan = tiles.choose(_TABLES[rank][dtype], wide, rows, per_group, depth, g.groups, whole)
    kernel = CONV(**plan.tile.defines(dtype), RANK=rank)["conv"]
    rows_of_filter = steps(g.window, g.channels // g.groups * g.columns)[1:]
    result_sizes = tuple(g.spatial) if adjoint else tuple(g.out)
    image, *to_steps = steps(result_sizes, columns)
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
        first=sum(a.first * step for a, step in zip(axes, to_steps)),
        steps=[a.step * step for a, step in zip(axes, to_steps)],
        image=image,
        part=g.batch * image,
        activate=int(activation == "relu"),
    )
    cuts = kernel.struct("tiles", **plan.fields(rows, per_group))
    arguments = (kernel.struct("from", **gather), filter_shape, to, cuts, channels // g.groups)
    return Launch(kernel, plan, arguments, (None,) * 3)


@functools.lru_cache(4096)
def _weight_launch(dtype, geometry: Geometry) -> Launch:
    """The adjoint in the filter."""
    g, rank = geometry, len(geometry.spatial)
    gather = _gather(tuple(starmap(forward_axis, g.axes())), g.batch, g.channels, g.groups)
    rows, depth, columns = gather["tap_count"], gather["place_count"], g.columns // g.groups
    wide = g.wide_channels, g.wide_columns
    plan = tiles.choose(_TABLES[rank][dtype], wide, rows, columns, depth, g.groups, True)
    kernel = CONV_WEIGHT(**plan.tile.defines(dtype), RANK=rank)["conv_weight"]
    cuts = kernel.struct("tiles", **plan.fields(rows, columns))
    arguments = (kernel.struct("from", **gather), cuts, g.channels // g.groups, columns, g.columns, rows * g.columns)
    return Launch(kernel, plan, arguments)


def takes_conv(x, w, b=None, *, strides, padding, dilation, groups=1, activation=None):
    if not is_float(x, w, b) or activation not in (None, "relu"):
        return False
    return is_computable(forward_geometry(x, w, strides, padding, dilation, groups))


@implements(prim.conv, where=takes_conv)
def conv(x, w, b=None, *, strides, padding, dilation, groups=1, activation=None, out=None):
    g = forward_geometry(x, w, strides, padding, dilation, groups)
    result = target(out, x, _result_shape(x, w, strides, padding, dilation))
    bias = None if b is None else contiguous(b)
    if g.is_depthwise:
        depthwise_conv(g, x, w, bias, activation, result)
    else:
        launch, x, w = _planned(g, x, w, activation)
        launch.run(x, w, bias, result, activation)
    return deliver(result, out)


def conv_with_moments(x, w, *, strides, padding, dilation, groups) -> tuple[Any, Moments | None]:
    """A convolution that `takes_conv`, without a bias, and moments of the result where its kernel leaves them.

    Depthwise ones do not, and parts of the inner dimension have none.
    """
    g = forward_geometry(x, w, strides, padding, dilation, groups)
    result = empty(x, _result_shape(x, w, strides, padding, dilation))
    if g.is_depthwise:
        depthwise_conv(g, x, w, None, None, result)
        return result, None
    launch, x, w = _planned(g, x, w, None)
    return result, launch.run_with_moments(x, w, result)


def _result_shape(x, w, strides, padding, dilation) -> tuple[int, ...]:
    spatial = prim.conv_output_shape(x.shape[1:-1], w.shape[:-2], strides, padding, dilation)
    return (x.shape[0], *spatial, w.shape[-1])


def _planned(g: Geometry, x: Any, w: Any, activation: str | None) -> tuple[Launch, Any, Any]:
    """The launch of a convolution that is not depthwise, and the operands as it reads them."""
    if g.is_product:
        return planned(_rows(x), contiguous(w).reshape(g.channels, g.columns), (), activation)
    launch = _gather_launch(x.dtype, g, tuple(starmap(forward_axis, g.axes())), False, activation)
    return launch, vector(x), vector(w)


def _rows(x: Any) -> Any:
    """(..., channels) as (places, channels)."""
    return contiguous(x).reshape(-1, x.shape[-1])


def _takes_input_grad(g, w, *, spatial, strides, padding, dilation, groups=1):
    return is_float(g, w) and is_computable(adjoint_geometry(g, w, spatial, strides, padding, dilation, groups))


@implements(prim.conv_input_grad, where=_takes_input_grad)
def conv_input_grad(g, w, *, spatial, strides, padding, dilation, groups=1, out=None):
    geometry = adjoint_geometry(g, w, spatial, strides, padding, dilation, groups)
    result = target(out, g, (g.shape[0], *spatial, geometry.channels))
    if geometry.is_product:
        columns = contiguous(w).reshape(geometry.channels, geometry.columns)
        product(_rows(g), columns.swapaxes(0, 1), out=result.reshape(-1, geometry.channels))
    elif geometry.is_depthwise:
        depthwise_input_grad(geometry, g, w, result)
    else:
        gradient, weights = vector(g), vector(w)
        for axes in itertools.product(*starmap(adjoint_axes, geometry.axes())):
            _gather_launch(g.dtype, geometry, axes, True, None).run(gradient, weights, None, result, None)
    return deliver(result, out)


def _takes_weight_grad(x, g, *, window, strides, padding, dilation, groups=1):
    return is_float(x, g) and is_computable(weight_geometry(x, g, window, strides, padding, dilation, groups))


@implements(prim.conv_weight_grad, where=_takes_weight_grad)
def conv_weight_grad(x, g, *, window, strides, padding, dilation, groups=1, out=None):
    geometry = weight_geometry(x, g, window, strides, padding, dilation, groups)
    result = target(out, x, (*window, x.shape[-1] // groups, g.shape[-1]))
    if geometry.is_product:
        product(_rows(x).swapaxes(0, 1), _rows(g), out=result.reshape(geometry.channels, geometry.columns))
    elif geometry.is_depthwise:
        depthwise_weight_grad(geometry, x, g, result)
    else:
        _weight_launch(x.dtype, geometry).run(vector(x), vector(g), None, result, None)
    return deliver(result, out)
