"""Layers that turn, shift, zoom and shear images at random."""

from __future__ import annotations

import math
from typing import Any

from gpunet import ops
from gpunet.layers.preprocessing.image_layer import (
    Draws,
    RandomImageLayer,
    as_range,
    as_value_range,
    check_filling,
    per_image,
)
from gpunet.ops.image.layout import check_choice, constant
from gpunet.ops.image.sampling import FILL_MODES, displaced

HORIZONTAL, VERTICAL, BOTH = "horizontal", "vertical", "horizontal_and_vertical"


class RandomFlip(RandomImageLayer):
    """Mirrors half of the images, while training.

    Args:
        mode: "horizontal", "vertical" or "horizontal_and_vertical", which mirrors an image both ways or not at all.

    Raises:
        ValueError: on another mode.
    """

    settings = ("mode",)

    def __init__(self, mode: str = BOTH, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(seed, data_format, **kwargs)
        check_choice(mode, (HORIZONTAL, VERTICAL, BOTH), "mode")
        self.mode = mode

    def _draw(self, x: Any, draws: Draws) -> Any:
        return {"flips": per_image(ops.less_equal(draws.uniform(), 0.5))}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        flips = ops.reshape(transformation["flips"], (-1, 1, 1, 1))
        axes = {HORIZONTAL: (2,), VERTICAL: (1,), BOTH: (1, 2)}[self.mode]
        return ops.where(flips, ops.flip(x, axes), x)


class AffineLayer(RandomImageLayer):
    """A random affine transform; a subclass implements `_matrix`.

    Args:
        fill_mode: how images go on beyond their edges: "reflect", "wrap", "constant" or "nearest".
        interpolation: "nearest" or "bilinear".
        fill_value: of "constant".
    """

    def __init__(self, fill_mode: str, interpolation: str, fill_value: float, **kwargs: Any):
        super().__init__(**kwargs)
        check_filling(fill_mode, interpolation)
        self.fill_mode = fill_mode
        self.interpolation = interpolation
        self.fill_value = fill_value

    def _matrix(self, transformation: Any, height: int, width: int) -> list[Any]:
        """a0, a1, a2, b0, b1, b2 of `ops.image.affine_transform`, numbers or (batch,)."""
        raise NotImplementedError

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        matrix = self._matrix(transformation, x.shape[1], x.shape[2])
        like = next(m for m in matrix if hasattr(m, "shape"))
        rows = [m if hasattr(m, "shape") else ops.full_like(like, m) for m in [*matrix, 0.0, 0.0]]
        return ops.image.affine_transform(
            x, ops.stack(rows, 1), interpolation, self.fill_mode, self.fill_value, "channels_last"
        )


def _about_middle(a0: Any, a1: Any, b0: Any, b1: Any, height: int, width: int) -> list[Any]:
    """The affine transform with these factors that keeps the middle of the image in its place."""
    x, y = (width - 1) / 2, (height - 1) / 2
    return [a0, a1, x - a0 * x - a1 * y, b0, b1, y - b0 * x - b1 * y]


class RandomRotation(AffineLayer):
    """Turns images about their middle, while training.

    Args:
        factor: how far, as a share of a full turn: angles are drawn in ±factor, or between two numbers.
        fill_mode, interpolation, fill_value: as in `ops.image.affine_transform`.

    Raises:
        ValueError: if the factor is outside [−1, 1], or on other words.
    """

    settings = ("factor", "fill_mode", "fill_value", "interpolation")

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.factor = as_range(factor)

    def _draw(self, x: Any, draws: Draws) -> Any:
        return {"angle": draws.uniform(self.factor[0] * 360.0, self.factor[1] * 360.0)}

    def _matrix(self, transformation: Any, height: int, width: int) -> list[Any]:
        angle = transformation["angle"] * (math.pi / 180)
        cos, sin = ops.cos(angle), ops.sin(angle)
        return _about_middle(cos, -sin, sin, cos, height, width)


class RandomZoom(AffineLayer):
    """Enlarges and shrinks images about their middle, while training.

    Args:
        height_factor, width_factor: by how much: heights are multiplied by 1 + a number in ±height_factor, or between
            two numbers, where more shows more of what is around; widths as heights where `width_factor` is None.
        fill_mode, interpolation, fill_value: as in `ops.image.affine_transform`.

    Raises:
        ValueError: if a factor is outside (−1, 1], or on other words.
    """

    settings = ("height_factor", "width_factor", "fill_mode", "interpolation", "fill_value")

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.height_factor = _plain(height_factor)
        self.width_factor = _plain(width_factor)
        self._heights = _above_minus_one(height_factor, "height_factor")
        self._widths = None if width_factor is None else _above_minus_one(width_factor, "width_factor")

    def _draw(self, x: Any, draws: Draws) -> Any:
        height = draws.uniform(1 + self._heights[0], 1 + self._heights[1], (1,))
        width = height if self._widths is None else draws.uniform(1 + self._widths[0], 1 + self._widths[1], (1,))
        return {"height_zoom": height, "width_zoom": width}

    def _matrix(self, transformation: Any, height: int, width: int) -> list[Any]:
        across, down = transformation["width_zoom"][:, 0], transformation["height_zoom"][:, 0]
        return _about_middle(across, 0.0, 0.0, down, height, width)


def _plain(factor: Any) -> Any:
    """The factor as a configuration holds it."""
    return list(factor) if isinstance(factor, tuple) else factor


def _above_minus_one(factor: Any, name: str) -> tuple:
    bounds = as_range(factor, name)
    if bounds[0] <= -1:
        raise ValueError(
            f"The `{name}` argument should be a number (or a list of two numbers) in the range (-1.0, 1.0]. "
            f"Received: {name}={factor}"
        )
    return bounds


class RandomTranslation(AffineLayer):
    """Shifts images, while training.

    Args:
        height_factor, width_factor: how far, as a share of height and width: in ±factor, or between two numbers;
            positive is down, and to the right.
        fill_mode, interpolation, fill_value: as in `ops.image.affine_transform`.

    Raises:
        ValueError: if a factor is outside [−1, 1], or on other words.
    """

    settings = ("height_factor", "width_factor", "fill_mode", "interpolation", "fill_value")

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.height_factor = _plain(height_factor)
        self.width_factor = _plain(width_factor)
        self._heights = as_range(height_factor, "height_factor")
        self._widths = as_range(width_factor, "width_factor")

    def _draw(self, x: Any, draws: Draws) -> Any:
        down = draws.uniform(self._heights[0], self._heights[1], (1,)) * x.shape[1]
        across = draws.uniform(self._widths[0], self._widths[1], (1,)) * x.shape[2]
        return {"translations": ops.concatenate([across, down], 1)}

    def _matrix(self, transformation: Any, height: int, width: int) -> list[Any]:
        shift = transformation["translations"]
        return [1.0, 0.0, -shift[:, 0], 0.0, 1.0, -shift[:, 1]]


class RandomShear(AffineLayer):
    """Slants images, while training.

    Args:
        x_factor, y_factor: by how much: in ±factor, or ± a number between two.
        interpolation, fill_mode, fill_value: as in `ops.image.affine_transform`.

    Raises:
        ValueError: if a factor is outside [0, 1], or on other words.
    """

    settings = ("x_factor", "y_factor", "fill_mode", "interpolation", "fill_value")

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.x_factor = _slant(x_factor, "x_factor")
        self.y_factor = _slant(y_factor, "y_factor")

    def _draw(self, x: Any, draws: Draws) -> Any:
        sign = ops.expand_dims(draws.sign(), 1)
        down = draws.uniform(self.y_factor[0], self.y_factor[1], (1,))
        across = draws.uniform(self.x_factor[0], self.x_factor[1], (1,))
        return {"shear_factor": ops.concatenate([across, down], 1) * sign}

    def _matrix(self, transformation: Any, height: int, width: int) -> list[Any]:
        shear = transformation["shear_factor"]
        return [1.0, shear[:, 0], 0.0, shear[:, 1], 1.0, 0.0]


def _slant(factor: Any, name: str) -> tuple:
    """Two numbers in [0, 1], or ± one: a configuration holds the latter as (−x, x)."""
    if isinstance(factor, list | tuple) and len(factor) == 2 and factor[0] == -factor[1]:
        factor = factor[1]
    if isinstance(factor, list | tuple):
        return as_range(factor, name, 0, 1)
    as_range(factor, name, 0, 1)
    return (-abs(factor), abs(factor))


class RandomPerspective(RandomImageLayer):
    """Shows images in another perspective, while training: each corner is moved.

    Args:
        factor: the probability with which an image is changed, or two numbers between which it is drawn.
        scale: how far corners move, in [0, 1].
        interpolation: "nearest" or "bilinear".
        fill_value: of what was not in the image.

    Raises:
        ValueError: if a number is outside [0, 1], or on another interpolation.
    """

    settings = ("factor", "scale", "interpolation", "fill_value")

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.factor = as_range(factor, "factor", 0, 1)
        if not 0 <= scale <= 1:
            raise ValueError(f"The `scale` argument should be a number in the range [0,1]. Received: scale={scale}")
        check_filling("constant", interpolation)
        self.scale = scale
        self.interpolation = interpolation
        self.fill_value = fill_value

    def _draw(self, x: Any, draws: Draws) -> Any:
        applied = draws.chance(self.factor)
        moved = draws.uniform(-0.5 * self.scale, 0.5 * self.scale, (4, 2))
        right, bottom = x.shape[2] - 1.0, x.shape[1] - 1.0
        corners = constant([[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom]], x, "float32")
        start = ops.add(ops.zeros_like(moved), corners)
        return {"apply_perspective": applied, "start_points": start, "end_points": start + start * moved}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        points = transformation["start_points"], transformation["end_points"]
        moved = ops.image.perspective_transform(x, *points, interpolation, self.fill_value, "channels_last")
        return ops.where(per_image(transformation["apply_perspective"]), moved, x)


class RandomElasticTransform(RandomImageLayer):
    """Distorts images by blurred noise, while training (Simard et al., ICDAR 2003).

    Args:
        factor: the probability with which an image is changed, or two numbers between which it is drawn.
        scale: how strongly, in [0, 1], or two numbers between which it is drawn.
        interpolation, fill_mode, fill_value: as in `ops.image.map_coordinates`.
        value_range: to which values are limited.

    Raises:
        ValueError: if a number is outside [0, 1], or on other words.
    """

    settings = ("factor", "scale", "interpolation", "fill_mode", "fill_value", "value_range")

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.factor = as_range(factor, "factor", 0, 1)
        self.scale = as_range(scale, "scale", 0, 1)
        check_choice(fill_mode, FILL_MODES, "fill_mode")
        check_filling("constant", interpolation)
        self.interpolation = interpolation
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.value_range = as_value_range(value_range)

    def _draw(self, x: Any, draws: Draws) -> Any:
        return {
            "apply_transform": draws.chance(self.factor),
            "distortion_factor": draws.one(*self.scale),
            "noise": [draws.noise(x[..., 0]) for _ in range(2)],
        }

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        strength = transformation["distortion_factor"] + 1e-6
        height, width = x.shape[1:3]
        alpha, sigma = max(height, width) * 0.1 * strength, min(height, width) * 0.05 * strength
        # Wide enough for the largest sigma: a tensor, which no shape can depend on.
        extent = int(6 * min(height, width) * 0.05 * self.scale[1]) | 1
        shifts = [
            ops.image.gaussian_blur(
                ops.expand_dims(noise * sigma, -1), (extent, extent), [sigma, sigma], "channels_last"
            )[..., 0]
            * alpha
            for noise in transformation["noise"]
        ]
        moved = displaced(x, shifts[1], shifts[0], interpolation, self.fill_mode, self.fill_value)
        found = ops.where(per_image(transformation["apply_transform"]), moved, x)
        return ops.clip(found, *map(float, self.value_range))
