"""Layers that give images another size: resized, cropped in the middle, cropped at random."""

from __future__ import annotations

from typing import Any

from gpunet import ops, random
from gpunet.layers.core.dense import as_units
from gpunet.layers.preprocessing.image_layer import Draws, ImageLayer, RandomImageLayer
from gpunet.ops.image.layout import check_choice, constant
from gpunet.ops.image.resizing import INTERPOLATIONS


class Resizing(ImageLayer):
    """Images of another size: (batch, height, width, channels), or one image.

    Args:
        height, width: of the results.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio, pad_to_aspect_ratio: keep proportions, by cutting edges off or adding some.
        fill_mode: "constant". fill_value: of what is added.
        antialias: whether to average over what becomes one pixel.

    Raises:
        ValueError: on other words, and on sizes that are not positive.
    """

    settings = (
        "height",
        "width",
        "interpolation",
        "crop_to_aspect_ratio",
        "pad_to_aspect_ratio",
        "fill_mode",
        "fill_value",
        "antialias",
    )

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format, **kwargs)
        self.height = as_units(height, "Resizing: height")
        self.width = as_units(width, "Resizing: width")
        check_choice(interpolation, INTERPOLATIONS, "interpolation")
        check_choice(fill_mode, ("constant",), "fill_mode")
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError("Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`.")
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.antialias = bool(antialias)

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        return ops.image.resize(
            x,
            (self.height, self.width),
            interpolation,
            self.antialias,
            self.crop_to_aspect_ratio,
            self.pad_to_aspect_ratio,
            self.fill_mode,
            self.fill_value,
            "channels_last",
        )


class CenterCrop(ImageLayer):
    """The middle of images; images that are too small are cropped to the proportions and resized.

    Args:
        height, width: of the results.

    Raises:
        ValueError: on sizes that are not positive.
    """

    settings = ("height", "width")

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format, **kwargs)
        self.height = as_units(height, "CenterCrop: height")
        self.width = as_units(width, "CenterCrop: width")

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        top, left = x.shape[1] - self.height, x.shape[2] - self.width
        if top < 0 or left < 0:
            return _fitted(x, self.height, self.width, interpolation)
        return x[:, top // 2 : top // 2 + self.height, left // 2 : left // 2 + self.width]


def _fitted(x: Any, height: int, width: int, interpolation: str) -> Any:
    """The largest window in the middle that has the proportions, resized."""
    return ops.image.resize(x, (height, width), interpolation, crop_to_aspect_ratio=True, data_format="channels_last")


class RandomCrop(RandomImageLayer):
    """A part of the images at a random place, the same in a batch, while training.

    In inference, and where images are too small, it is the largest window in the middle that has the proportions,
    resized.

    Args:
        height, width: of the results.

    Raises:
        ValueError: on sizes that are not positive.
    """

    settings = ("height", "width")

    def __init__(self, height: int, width: int, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(random.make_default_seed() if seed is None else seed, data_format, **kwargs)
        self.height = as_units(height, "RandomCrop: height")
        self.width = as_units(width, "RandomCrop: width")

    def _draw(self, x: Any, draws: Draws) -> Any:
        rows, columns = x.shape[1] - self.height, x.shape[2] - self.width
        if rows < 0 or columns < 0:
            return None
        return tuple(ops.cast(ops.floor(draws.one(0.0, n + 1.0)), "int32") for n in (rows, columns))

    def _acts(self, transformation: Any, training: bool) -> bool:
        return True

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        if transformation is None:
            return _fitted(x, self.height, self.width, interpolation)
        for axis, (start, n) in enumerate(zip(transformation, (self.height, self.width)), 1):
            x = ops.take(x, ops.add(constant(range(n), x, "int32"), start), axis=axis)
        return x
