"""Images of another size: as products with a matrix of weights along each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.autograd.tensor import raw
from gpunet.backend.devices import to_host
from gpunet.ops.image.layout import as_batch, as_before, as_floats, check_choice, constant
from gpunet.ops.indexing import getitem, take
from gpunet.ops.joining import pad
from gpunet.ops.operands import normalize_axis, operand
from gpunet.ops.products import matmul
from gpunet.ops.views import moveaxis
from gpunet.symbolic.ops import symbolic_op


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - x)


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys's kernel with a = −1/2 (IEEE Trans. ASSP 29, 1981)."""
    near, far = ((1.5 * x - 2.5) * x) * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: np.ndarray, radius: int) -> np.ndarray:
    return np.where(x > radius, 0, np.sinc(x) * np.sinc(x / radius))


KERNELS = {
    "linear": _triangle,
    "bilinear": _triangle,
    "trilinear": _triangle,
    "cubic": _cubic,
    "bicubic": _cubic,
    "tricubic": _cubic,
    "lanczos3": lambda x: _lanczos(x, 3),
    "lanczos5": lambda x: _lanczos(x, 5),
}
INTERPOLATIONS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")


def _weights(n: int, new: int, scale: float, translation: float, method: str, antialias: bool) -> np.ndarray:
    """(new, n): what each of n elements counts in each of `new` ones, which are at half-pixel centres."""
    places = (np.arange(new) + 0.5 - translation) / scale - 0.5
    width = max(1.0, 1 / scale) if antialias else 1.0
    weights = KERNELS[method](np.abs(places[:, None] - np.arange(n)) / width)
    total = weights.sum(1, keepdims=True)
    weights = np.divide(weights, total, out=np.zeros_like(weights), where=np.abs(total) > 1e-4)
    outside = (places < -0.5) | (places > n - 0.5)
    return np.where(outside[:, None], 0, weights)


def along(x: Any, axis: int, weights: np.ndarray) -> Any:
    """x with its axis replaced by sums weighted by (new, n)."""
    if np.array_equal(weights, np.eye(*weights.shape)):
        return x
    return moveaxis(matmul(moveaxis(x, axis, -1), constant(weights.T, x)), -1, axis)


@symbolic_op
def resize(
    images: Any,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Images of another height and width; integers are rounded and limited to what they hold.

    Args:
        images: (batch, height, width, channels) or one image, or channels first.
        size: (height, width).
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5", between half-pixel centres.
        antialias: widen the kernel where images shrink.
        crop_to_aspect_ratio, pad_to_aspect_ratio: keep proportions, by cutting edges off or adding some.
        fill_mode: "constant". fill_value: of what is added.

    Raises:
        ValueError: on other ranks and words, or if images are both to be cropped and padded.
    """
    if len(size) != 2 or size[0] <= 0 or size[1] <= 0:
        raise ValueError(f"Expected `size` to be a tuple of 2 positive integers. Received: size={size}")
    check_choice(interpolation, INTERPOLATIONS, "interpolation")
    check_choice(fill_mode, ("constant",), "fill_mode")
    if pad_to_aspect_ratio and crop_to_aspect_ratio:
        raise ValueError("Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`.")
    x, restored = as_batch(images, data_format)
    if crop_to_aspect_ratio:
        x = _cropped(x, size)
    elif pad_to_aspect_ratio:
        x = _padded(x, size, fill_value)
    if interpolation == "nearest":
        return restored(_nearest(x, size))
    y = as_floats(x)
    for axis, new in enumerate(size, 1):
        n = x.shape[axis]
        y = along(y, axis, _weights(n, new, new / n, 0.0, interpolation, antialias))
    return restored(as_before(y, x.dtype))


def _nearest(x: Any, size: Sequence[int]) -> Any:
    for axis, new in enumerate(size, 1):
        n = x.shape[axis]
        if n != new:
            x = take(x, np.floor((np.arange(new, dtype="float32") + 0.5) * n / new).astype("int32"), axis=axis)
    return x


def _cropped(x: Any, size: Sequence[int]) -> Any:
    (height, width), (new_height, new_width) = x.shape[1:3], size
    kept = (
        max(min(height, int(width * new_height / new_width)), 1),
        max(min(width, int(height * new_width / new_height)), 1),
    )
    first = [int((n - k) / 2) for n, k in zip((height, width), kept)]
    return getitem(x, (slice(None), *(slice(a, a + k) for a, k in zip(first, kept))))


def _padded(x: Any, size: Sequence[int], fill_value: float) -> Any:
    (height, width), (new_height, new_width) = x.shape[1:3], size
    wanted = max(height, int(width * new_height / new_width)), max(width, int(height * new_width / new_height))
    edges = [int((k - n) / 2) for n, k in zip((height, width), wanted)]
    return pad(x, ((0, 0), *((e, e) for e in edges), (0, 0)), constant_values=fill_value)


@symbolic_op
def scale_and_translate(
    images: Any,
    output_shape: Sequence[int],
    scale: Any,
    translation: Any,
    spatial_dims: Sequence[int],
    method: str,
    antialias: bool = True,
) -> Any:
    """An array scaled and moved along some of its axes: x' = x·scale + translation, in pixels.

    Args:
        output_shape: of the result, all axes.
        scale, translation: one number for each of the `spatial_dims`; no gradient flows to them.
        method: "linear", "cubic", "lanczos3" or "lanczos5", or as "bilinear" and so on.

    Raises:
        ValueError: on another method, or if the shapes do not fit.
    """
    check_choice(method, KERNELS, "method")
    x = operand(images)
    axes = [normalize_axis(d, x.ndim) for d in spatial_dims]
    rest = [(n, m) for d, (n, m) in enumerate(zip(x.shape, output_shape)) if d not in axes]
    factors, shifts = (np.ravel(to_host(raw(operand(v)))).tolist() for v in (scale, translation))
    if len(output_shape) != x.ndim or any(n != m for n, m in rest) or not len(factors) == len(shifts) == len(axes):
        raise ValueError(
            f"scale_and_translate expected an output_shape that differs along spatial_dims only, with a scale and a "
            f"translation for each. Received: images.shape={x.shape}, output_shape={tuple(output_shape)}, "
            f"spatial_dims={tuple(spatial_dims)}, {len(factors)} scales, {len(shifts)} translations"
        )
    y = as_floats(x)
    for axis, factor, shift in zip(axes, factors, shifts):
        y = along(y, axis, _weights(x.shape[axis], output_shape[axis], factor, shift, method, antialias))
    return as_before(y, x.dtype)
