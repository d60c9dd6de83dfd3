"""Colours: grey, and hue, saturation and value."""

from __future__ import annotations

from typing import Any

import ml_dtypes

from gpunet.backend.dtypes import is_float
from gpunet.config import standardize_data_format
from gpunet.ops import elementwise as el
from gpunet.ops.image.layout import as_before, as_floats
from gpunet.ops.joining import concatenate, split
from gpunet.ops.operands import operand
from gpunet.symbolic.ops import symbolic_op

LUMINANCE = (0.2989, 0.5870, 0.1140)


def _checked(images: Any, data_format: str | None) -> tuple[Any, int]:
    """The images and the axis of their channels."""
    x = operand(images)
    if x.ndim not in (3, 4):
        raise ValueError(
            f"Invalid images rank: expected rank 3 (single image) or rank 4 (batch of images). "
            f"Received: images.shape={tuple(x.shape)}"
        )
    return x, -1 if standardize_data_format(data_format) == "channels_last" else -3


def _planes(images: Any, data_format: str | None) -> tuple[list, int]:
    """The three planes of images of floats, and the axis of the channels."""
    x, axis = _checked(images, data_format)
    if not is_float(x.dtype):
        raise ValueError(f"Invalid images dtype: expected float dtype. Received: images.dtype={x.dtype}")
    if x.shape[axis] != 3:
        raise ValueError(f"Invalid channel size: expected 3. Received: images.shape={tuple(x.shape)}")
    return split(x, 3, axis), axis


@symbolic_op
def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Any:
    """0.2989·red + 0.587·green + 0.114·blue, as one channel; images of one channel stay as they are.

    Raises:
        ValueError: unless images of rank 3 or 4 have one or three channels.
    """
    x, axis = _checked(images, data_format)
    if x.shape[axis] not in (1, 3):
        raise ValueError(
            f"Invalid channel size: expected 3 (RGB) or 1 (Grayscale). Received: images.shape={tuple(x.shape)}"
        )
    if x.shape[axis] == 1:
        return x
    red, green, blue = (el.multiply(p, w) for p, w in zip(split(as_floats(x), 3, axis), LUMINANCE))
    grey = el.add(el.add(red, green), blue)
    return el.cast(grey, x.dtype) if x.dtype.kind in "iu" else as_before(grey, x.dtype)


@symbolic_op
def rgb_to_hsv(images: Any, data_format: str | None = None) -> Any:
    """Hue, saturation and value, each in [0, 1], of images of floats in [0, 1] with red, green and blue.

    Raises:
        ValueError: unless images of rank 3 or 4 have three channels of floats.
    """
    planes, axis = _planes(images, data_format)
    tiny = float(ml_dtypes.finfo(planes[0].dtype).eps)
    red, green, blue = (el.where(el.less(el.absolute(p), tiny), 0.0, p) for p in planes)
    value = el.maximum(el.maximum(red, green), blue)
    spread = el.subtract(value, el.minimum(el.minimum(red, green), blue))
    some = el.greater(spread, 0)
    lit = el.greater(value, 0)
    saturation = el.where(lit, el.divide(spread, el.where(lit, value, 1.0)), 0.0)
    sixth = el.divide(1 / 6, el.where(some, spread, 1.0))
    from_green = el.add(el.multiply(sixth, el.subtract(blue, red)), 2 / 6)
    from_blue = el.add(el.multiply(sixth, el.subtract(red, green)), 4 / 6)
    hue = el.where(el.equal(value, green), from_green, from_blue)
    hue = el.where(el.equal(value, red), el.multiply(sixth, el.subtract(green, blue)), hue)
    hue = el.where(el.less(hue, 0), el.add(hue, 1.0), hue)
    return concatenate([el.where(some, hue, 0.0), saturation, value], axis)


@symbolic_op
def hsv_to_rgb(images: Any, data_format: str | None = None) -> Any:
    """The inverse of `rgb_to_hsv`.

    Raises:
        ValueError: unless images of rank 3 or 4 have three channels of floats.
    """
    (hue, saturation, value), axis = _planes(images, data_format)
    turn = el.multiply(el.mod(hue, 1.0), 6.0)

    def channel(share: Any) -> Any:
        share = el.clip(share, 0.0, 1.0)
        return el.multiply(value, el.add(el.subtract(1.0, saturation), el.multiply(saturation, share)))

    red = el.subtract(el.absolute(el.subtract(turn, 3.0)), 1.0)
    green = el.subtract(2.0, el.absolute(el.subtract(turn, 2.0)))
    blue = el.subtract(2.0, el.absolute(el.subtract(turn, 4.0)))
    return concatenate([channel(red), channel(green), channel(blue)], axis)
