"""The shapes of convolutions: geometry without arrays, and the axes of the implicit products that compute them."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

from gpunet.backend.primitives.conv import conv_output_shape


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


def steps(sizes: tuple[int, ...], channels: int) -> list[int]:
    """Elements from image to image of a channels-last array, then from place to place along each spatial axis."""
    result = [channels]
    for n in reversed(sizes):
        result.append(result[-1] * n)
    return result[::-1]


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
    def is_depthwise(self) -> bool:
        """True if every channel of the input is a group of its own."""
        return 1 < self.groups == self.channels and math.prod(self.window) < 2**16

    @property
    def wide_channels(self) -> bool:
        """True if the input's channels come in multiples of four in each group."""
        return self.channels // self.groups % 4 == 0

    @property
    def wide_columns(self) -> bool:
        """True if the output's channels come in multiples of four in each group."""
        return self.columns // self.groups % 4 == 0

    def axes(self) -> list[tuple[int, ...]]:
        """The arguments of `forward_axis` for each axis."""
        return list(zip(self.spatial, self.window, self.strides, self.low, self.dilation, self.out))


@functools.lru_cache(4096)
def geometry_of(batch, spatial, window, strides, padding, dilation, groups, channels, columns) -> Geometry:
    """The geometry of a convolution; one of one axis gets a second of size 1 in front."""
    out = conv_output_shape(spatial, window, strides, padding, dilation)
    low = tuple(lo for lo, _ in padding)
    if len(spatial) == 1:
        spatial, window, out = (1, *spatial), (1, *window), (1, *out)
        strides, low, dilation = (1, *strides), (0, *low), (1, *dilation)
    return Geometry(batch, spatial, window, out, strides, low, dilation, groups, channels, columns)


def forward_geometry(x, w, strides, padding, dilation, groups) -> Geometry:
    """Of a convolution of x with w."""
    return geometry_of(
        x.shape[0], x.shape[1:-1], w.shape[:-2], strides, padding, dilation, groups, x.shape[-1], w.shape[-1]
    )


def adjoint_geometry(g, w, spatial, strides, padding, dilation, groups) -> Geometry:
    """Of the convolution whose adjoint in the input takes g and w."""
    channels = w.shape[-2] * groups
    return geometry_of(
        g.shape[0], tuple(spatial), w.shape[:-2], strides, padding, dilation, groups, channels, w.shape[-1]
    )


def weight_geometry(x, g, window, strides, padding, dilation, groups) -> Geometry:
    """Of the convolution whose adjoint in the filter takes x and g."""
    return geometry_of(
        x.shape[0], x.shape[1:-1], tuple(window), strides, padding, dilation, groups, x.shape[-1], g.shape[-1]
    )


def is_computable(geometry: Geometry) -> bool:
    """True if there is something to compute, and places can be told from what is outside of an array."""
    g = geometry
    sizes = (g.batch * math.prod(g.spatial) * g.channels, g.batch * math.prod(g.out) * g.columns)
    reach = max(n + abs(lo) + d * k for n, lo, d, k in zip(g.spatial, g.low, g.dilation, g.window))
    return len(g.spatial) <= 3 and all(0 < n < 2**31 for n in sizes) and reach < 2**30
