"""Layers that change the tones of images: inverted, posterized, equalized, sharpened, blurred."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.layers.preprocessing.colors import ColorLayer
from gpunet.layers.preprocessing.image_layer import (
    Draws,
    ImageLayer,
    RandomImageLayer,
    as_range,
    as_value_range,
    per_image,
    rescaled,
)
from gpunet.ops.image.layout import as_floats, constant


class RandomInvert(ColorLayer):
    """Makes negatives of images, while training.

    Args:
        factor: the probability with which an image is changed, or two numbers between which it is drawn.
        value_range: (smallest, largest) of the images' values.

    Raises:
        ValueError: if the factor is outside [0, 1].
    """

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        factor = as_range(factor, "factor", 0, 1)
        super().__init__(factor, value_range, seed=seed, data_format=data_format, **kwargs)

    def _draw(self, x: Any, draws: Draws) -> Any:
        return {"apply_inversion": draws.chance(self.factor)}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        return ops.where(per_image(transformation["apply_inversion"]), float(self.value_range[1]) - x, x)


class RandomPosterization(ColorLayer):
    """Keeps the highest bits of values only, while training.

    Args:
        factor: how many of 8, or two numbers between which it is drawn, the larger excluded.
        value_range: (smallest, largest) of the images' values.

    Raises:
        ValueError: if the factor is outside [1, 8].
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        factor = as_range(factor, "factor", 1, 8)
        super().__init__(factor, value_range, data_format=data_format, seed=seed, **kwargs)

    def _draw(self, x: Any, draws: Draws) -> Any:
        bits = ops.floor(draws.uniform(float(self.factor[0]), float(self.factor[1])))
        return {"shift_factor": ops.cast(8.0 - bits, "int32")}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        shift = ops.reshape(ops.cast(transformation["shift_factor"], "int32"), (-1, 1, 1, 1))
        whole = ops.cast(as_floats(rescaled(x, self.value_range, (0, 255))), "int32")
        kept = ops.cast(ops.left_shift(ops.right_shift(whole, shift), shift), x.dtype)
        return rescaled(kept, (0, 255), self.value_range)


class Solarization(RandomImageLayer):
    """Adds a number to values and inverts those that are not below a threshold, while training.

    Args:
        addition_factor, threshold_factor: between 0 and factor, or two numbers, as shares of 255.
        value_range: (smallest, largest) of the images' values.

    Raises:
        ValueError: if a factor is outside [0, 1].
    """

    settings = ("value_range", "addition_factor", "threshold_factor")
    moves = False

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, **kwargs)
        self.addition_factor = as_range(addition_factor, "addition_factor", 0, 1, mirrored=False)
        self.threshold_factor = as_range(threshold_factor, "threshold_factor", 0, 1, mirrored=False)
        self.value_range = as_value_range(value_range)

    def _draw(self, x: Any, draws: Draws) -> Any:
        bounds = ("additions", self.addition_factor), ("thresholds", self.threshold_factor)
        return {name: per_image(draws.uniform(low, high * 255.0)) for name, (low, high) in bounds}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        addition, threshold = (
            ops.reshape(ops.cast(transformation[name], x.dtype), (-1, 1, 1, 1)) for name in ("additions", "thresholds")
        )
        values = ops.clip(rescaled(x, self.value_range, (0, 255)) + addition, 0.0, 255.0)
        values = ops.where(ops.less(values, threshold), values, 255.0 - values)
        return rescaled(values, (0, 255), self.value_range)


class AutoContrast(ImageLayer):
    """Stretches the values of each channel of each image over the value range, also in inference.

    Args:
        value_range: (smallest, largest) of the images' values.
    """

    settings = ("value_range",)
    moves = False

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any):
        super().__init__(**kwargs)
        self.value_range = as_value_range(value_range)

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        low, high = ops.min(x, (1, 2), keepdims=True), ops.max(x, (1, 2), keepdims=True)
        flat = ops.equal(high, low)
        share = ops.clip((x - low) / ops.where(flat, 1.0, high - low), 0.0, 1.0)
        return ops.where(flat, x, rescaled(share, (0, 1), self.value_range))


class Equalization(ImageLayer):
    """Equalizes the histogram of each channel over the batch, while training.

    Args:
        value_range: (smallest, largest) of the images' values.
        bins: of the histogram.
    """

    settings = ("bins", "value_range")
    moves = False

    def __init__(self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format, **kwargs)
        self.bins = bins
        self.value_range = as_value_range(value_range)

    def _acts(self, transformation: Any, training: bool) -> bool:
        return training

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        values = rescaled(as_floats(x), self.value_range, (0, 255))
        channels = [self._equalized(values[..., k]) for k in range(x.shape[-1])]
        return rescaled(ops.stack(channels, -1), (0, 255), self.value_range)

    def _equalized(self, plane: Any) -> Any:
        place = ops.cast(ops.clip(plane * ((self.bins - 1) / 255.0), 0.0, self.bins - 1.0), "int32")
        counts = ops.scatter(ops.reshape(place, (-1, 1)), ops.ones_like(ops.reshape(plane, (-1,))), (self.bins,))
        below = ops.cumsum(counts)
        first = ops.take(below, ops.argmax(ops.greater(below, 0)))
        rest = below[-1] - first
        table = ops.round((below - first) * 255.0 / ops.where(ops.equal(rest, 0), 1.0, rest))
        single = ops.less_equal(ops.sum(ops.greater(counts, 0)), 1)
        return ops.where(single, plane, ops.take(ops.clip(table, 0.0, 255.0), place))


class RandomSharpness(ColorLayer):
    """Sharpens or blurs images, while training.

    Args:
        factor: f, between 0 and factor, or two numbers: 0 is blurred, ½ the image, 1 sharpened.
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
        return {"factor": draws.uniform(*self.factor)}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        kernel = [[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]
        per_channel = constant([[[[w / 13]] * x.shape[-1] for w in row] for row in kernel], x)
        smooth = ops.depthwise_conv(x, per_channel, padding="same", data_format="channels_last")
        share = 1.0 - ops.reshape(ops.cast(transformation["factor"], x.dtype), (-1, 1, 1, 1)) * 2.0
        return self._limited(x + share * (smooth - x))


class RandomGaussianBlur(ColorLayer):
    """Blurs images, while training.

    Args:
        factor: the probability with which an image is changed, or two numbers between which it is drawn.
        kernel_size: the extent of the blur, an odd number or one along x and y.
        sigma: its standard deviation along x and y is drawn between 0 and sigma, or two numbers.
        value_range: (smallest, largest) of the images' values.

    Raises:
        ValueError: if a number is outside [0, 1], or the extent even.
    """

    settings = ("factor", "kernel_size", "sigma", "value_range")

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        factor = as_range(factor, "factor", 0, 1)
        super().__init__(factor, value_range, data_format=data_format, seed=seed, **kwargs)
        sizes = tuple(kernel_size) if isinstance(kernel_size, list | tuple) else (kernel_size, kernel_size)
        if len(sizes) != 2 or not all(isinstance(n, int) and n % 2 == 1 for n in sizes):
            raise ValueError(f"kernel_size must be an odd number, or two. Received: kernel_size={kernel_size}")
        self.kernel_size = sizes
        self.sigma = as_range(sigma, "sigma", 0, 1)

    def _draw(self, x: Any, draws: Draws) -> Any:
        applied = draws.chance(self.factor)
        sigmas = ops.stack([draws.one(*self.sigma) for _ in range(2)])
        return {"should_apply_blur": applied, "blur_factor": sigmas + 1e-6}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        blurred = ops.image.gaussian_blur(x, self.kernel_size, transformation["blur_factor"], "channels_last")
        return self._limited(ops.where(per_image(transformation["should_apply_blur"]), blurred, x))
