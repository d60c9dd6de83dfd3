"""Layers that change the colours of images at random."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.layers.preprocessing.image_layer import (
    Draws,
    RandomImageLayer,
    as_range,
    as_value_range,
    per_image,
    rescaled,
)


class ColorLayer(RandomImageLayer):
    """A layer that changes colours and moves nothing; values are limited to `value_range`."""

    settings: tuple[str, ...] = ("factor", "value_range")
    moves = False

    def __init__(self, factor: Any, value_range: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.factor = factor
        self.value_range = as_value_range(value_range)

    def _limited(self, x: Any) -> Any:
        return ops.clip(x, *map(float, self.value_range))


class RandomBrightness(ColorLayer):
    """Adds a number to each image, while training.

    Args:
        factor: in ±factor, or between two numbers, times the value range.
        value_range: (smallest, largest) of the images' values.

    Raises:
        ValueError: if the factor is outside [−1, 1].
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any):
        super().__init__(as_range(factor), value_range, seed=seed, **kwargs)

    def _draw(self, x: Any, draws: Draws) -> Any:
        low, high = self.value_range
        return {"rgb_delta": per_image(draws.uniform(*self.factor)) * float(high - low)}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        return self._limited(x + ops.reshape(ops.cast(transformation["rgb_delta"], x.dtype), (-1, 1, 1, 1)))


class RandomContrast(ColorLayer):
    """Multiplies the distance of values from their mean over the image, channel by channel, while training.

    Args:
        factor: by 1 ± factor, or between 1 − and 1 + two numbers.
        value_range: (smallest, largest) of the images' values.

    Raises:
        ValueError: if the factor is outside [0, 1].
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any):
        # A number is its own bound on both sides, but 0 below in the configuration, as Keras has it.
        super().__init__(as_range(factor, "factor", 0, 1), value_range, seed=seed, **kwargs)

    def _draw(self, x: Any, draws: Draws) -> Any:
        return {"contrast_factor": per_image(draws.uniform(1 - self.factor[0], 1 + self.factor[1]))}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        factor = ops.reshape(ops.cast(transformation["contrast_factor"], x.dtype), (-1, 1, 1, 1))
        mean = ops.mean(x, (1, 2), keepdims=True)
        return self._limited((x - mean) * factor + mean)


class RandomSaturation(ColorLayer):
    """Multiplies the saturation of images with three channels, while training.

    Args:
        factor: f, in ±factor or between two numbers, multiplies by f / (1 − f): 0 is grey, ½ the image, 1 all colour.
        value_range: to which saturations are limited.

    Raises:
        ValueError: if the factor is outside [−1, 1].
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(as_range(factor), value_range, data_format=data_format, seed=seed, **kwargs)

    def _draw(self, x: Any, draws: Draws) -> Any:
        factor = draws.uniform(*self.factor)
        return {"factor": factor / (1.0 - factor + 1e-7)}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        hue, saturation, value = ops.split(ops.image.rgb_to_hsv(x, "channels_last"), 3, -1)
        factor = ops.reshape(ops.cast(transformation["factor"], x.dtype), (-1, 1, 1, 1))
        more = self._limited(saturation * factor)
        return ops.image.hsv_to_rgb(ops.concatenate([hue, more, value], -1), "channels_last")


class RandomHue(ColorLayer):
    """Turns the hue of images with three channels, while training.

    Args:
        factor: how far, as a share of half a turn: ± up to the factor, or ± between two numbers.
        value_range: (smallest, largest) of the images' values.

    Raises:
        ValueError: if the factor is outside [0, 1].
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        factor = as_range(factor, "factor", 0, 1)
        super().__init__(factor, value_range, data_format=data_format, seed=seed, **kwargs)

    def _draw(self, x: Any, draws: Draws) -> Any:
        sign = draws.sign()
        return {"factor": sign * draws.uniform(*self.factor) * 0.5}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        hsv = ops.image.rgb_to_hsv(rescaled(x, self.value_range, (0, 1)), "channels_last")
        hue, saturation, value = ops.split(hsv, 3, -1)
        turned = ops.mod(hue + ops.reshape(ops.cast(transformation["factor"], x.dtype), (-1, 1, 1, 1)), 1.0)
        rgb = ops.image.hsv_to_rgb(ops.concatenate([turned, saturation, value], -1), "channels_last")
        return rescaled(ops.clip(rgb, 0.0, 1.0), (0, 1), self.value_range)


class RandomGrayscale(RandomImageLayer):
    """Makes images grey with a given probability, while training; they keep their three channels.

    Args:
        factor: the probability.

    Raises:
        ValueError: if it is outside [0, 1].
    """

    settings = ("factor",)
    moves = False

    def __init__(self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(seed, data_format, **kwargs)
        if not 0 <= factor <= 1:
            raise ValueError(f"`factor` should be between 0 and 1. Received: factor={factor}")
        self.factor = factor

    def _draw(self, x: Any, draws: Draws) -> Any:
        return per_image(ops.less(draws.uniform(), self.factor))

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        return ops.where(transformation, ops.image.rgb_to_grayscale(x, "channels_last"), x)


class RandomColorDegeneration(ColorLayer):
    """Mixes images with what they are in grey, while training.

    Args:
        factor: the share of grey: in ±factor, or between two numbers; below 0 there is more colour.
        value_range: (smallest, largest) of the images' values.

    Raises:
        ValueError: if the factor is outside [−1, 1].
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(as_range(factor), value_range, data_format=data_format, seed=seed, **kwargs)

    def _draw(self, x: Any, draws: Draws) -> Any:
        return {"factor": per_image(draws.uniform(*self.factor))}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        grey = ops.image.rgb_to_grayscale(x, "channels_last")
        return self._limited(x + ops.cast(transformation["factor"], x.dtype) * (grey - x))


class RandomColorJitter(RandomImageLayer):
    """Changes brightness, contrast, saturation and hue, while training: those of which a factor is given.

    Args:
        value_range: (smallest, largest) of the images' values.
        brightness_factor, contrast_factor, saturation_factor, hue_factor: as in `RandomBrightness` and so on.
    """

    settings = ("value_range", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
    moves = False

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.value_range = as_value_range(value_range)
        self.brightness_factor = brightness_factor
        self.contrast_factor = contrast_factor
        self.saturation_factor = saturation_factor
        self.hue_factor = hue_factor
        given = (
            (RandomBrightness, brightness_factor),
            (RandomContrast, contrast_factor),
            (RandomSaturation, saturation_factor),
            (RandomHue, hue_factor),
        )
        options = {"value_range": value_range, "data_format": "channels_last", "dtype": self.dtype_policy}
        self._steps = [kind(factor, seed=seed, **options) for kind, factor in given if factor is not None]

    def build(self, input_shape: Any) -> None:
        for layer in self._steps:
            layer.build(input_shape)

    def _draw(self, x: Any, draws: Draws) -> Any:
        return [step.get_random_transformation(x, seed=draws.seed) for step in self._steps]

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        for step, drawn in zip(self._steps, transformation):
            x = step.transform_images(x, drawn)
        return x
