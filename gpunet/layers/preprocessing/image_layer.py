"""What layers that change images share: layouts, single images, dictionaries, random draws, arguments."""

from __future__ import annotations

from typing import Any

from gpunet import ops, random
from gpunet.config import standardize_data_format
from gpunet.layers.layer import Layer
from gpunet.ops.image.layout import as_batch, check_choice

FILL_MODES = ("reflect", "wrap", "constant", "nearest")
INTERPOLATIONS = ("nearest", "bilinear")


class ImageLayer(Layer):
    """A function of images (batch, height, width, channels), of one image, or of channels-first images.

    Called on a dictionary, it changes its "images", "segmentation_masks" and "labels" together. Images of integers
    become floats. A subclass implements `_apply`, and lists in `settings` what belongs to its configuration.
    """

    settings: tuple[str, ...] = ()

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        """The changed images, all (batch, height, width, channels) in the compute dtype."""
        raise NotImplementedError

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """What is drawn for some images, to be given to the `transform_…` methods; None where nothing is."""

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images changed; in inference, as they are."""
        return self._transformed(images, transformation, training, getattr(self, "interpolation", "bilinear"))

    def _transformed(self, images: Any, transformation: Any, training: bool, interpolation: str) -> Any:
        images = ops.cast(images, self.compute_dtype)
        if not self._acts(transformation, training):
            return images
        x, restored = as_batch(images, self.data_format)
        return restored(ops.cast(self._apply(x, transformation, interpolation), self.compute_dtype))

    def _acts(self, transformation: Any, training: bool) -> bool:
        return True

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        """The masks changed as the images are, without interpolation between their values."""
        if self.moves:
            return self._transformed(segmentation_masks, transformation, training, "nearest")
        return segmentation_masks

    moves = True  # whether pixels get other places, and masks with them

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """The labels that belong to the changed images."""
        return labels

    def call(self, data: Any, training: bool = True) -> Any:
        transformation = self.get_random_transformation(data, training=training)
        if not isinstance(data, dict):
            return self.transform_images(data, transformation, training)
        if "bounding_boxes" in data:
            raise ValueError(f"{type(self).__name__} does not move bounding boxes. Received keys: {sorted(data)}")
        functions: dict[str, Any] = {
            "images": self.transform_images,
            "labels": self.transform_labels,
            "segmentation_masks": self.transform_segmentation_masks,
        }
        found = {}
        for key, value in data.items():
            found[key] = functions[key](value, transformation, training) if key in functions else value
        return found

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in self.settings}
        return super().get_config() | {"data_format": self.data_format} | own


class RandomImageLayer(ImageLayer):
    """An image layer that draws what it does, while training only; a subclass implements `_draw`.

    The same seed draws the same on every device.

    Args:
        seed: an int; chosen where None.
    """

    def __init__(self, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.seed = seed
        self.generator = random.SeedGenerator(seed)

    def _draw(self, x: Any, draws: Draws) -> Any:
        """The transformation for images (batch, height, width, channels)."""
        raise NotImplementedError

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """What is drawn for some images, to be given to the `transform_…` methods; None in inference."""
        if not training:
            return None
        images = data["images"] if isinstance(data, dict) else data
        if len(shape := tuple(ops.shape(images))) not in (3, 4):
            raise ValueError(f"Expected the input image to be rank 3 or 4. Received: inputs.shape={shape}")
        x, _ = as_batch(images, self.data_format)
        return self._draw(x, Draws(x, self.generator if seed is None else seed))

    def _acts(self, transformation: Any, training: bool) -> bool:
        return training and transformation is not None

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"seed": self.seed}


class Draws:
    """Random numbers for each image of a batch, on its device."""

    def __init__(self, x: Any, seed: Any):
        self.seed = seed
        self._each = ops.cast(ops.stop_gradient(x)[:, 0, 0, 0], "float32")

    def uniform(self, low: float = 0.0, high: float = 1.0, extra: tuple[int, ...] = ()) -> Any:
        """(batch, *extra) in [low, high)."""
        each = ops.reshape(self._each, (-1 if self._each.shape[0] else 0, *(1,) * len(extra)))
        return random.uniform_like(ops.broadcast_to(each, (each.shape[0], *extra)), low, high, self.seed)

    def one(self, low: float, high: float) -> Any:
        """One number for the whole batch."""
        return random.uniform_like(ops.zeros_like(ops.sum(self._each)), low, high, self.seed)

    def chance(self, bounds: tuple[float, float]) -> Any:
        """True with a probability that is drawn within the bounds, (batch,)."""
        probability = self.uniform(*bounds)
        return ops.less(self.uniform(), probability)

    def noise(self, x: Any) -> Any:
        """Standard normal numbers of the shape of x, the same ones in all dtypes."""
        return random.normal_like(ops.cast(ops.stop_gradient(x), "float32"), seed=self.seed)

    def sign(self) -> Any:
        """−1 or 1, (batch,)."""
        return ops.where(ops.greater(self.uniform(), 0.5), -1.0, ops.ones_like(self._each))

    def beta(self, alpha: Any) -> Any:
        """Beta numbers with both parameters alpha, (batch,)."""
        parameter = ops.zeros_like(self._each) + alpha
        return random.beta(parameter.shape, parameter, parameter, seed=self.seed)

    def order(self) -> Any:
        """A permutation of the batch, int32."""
        return ops.argsort(self.uniform())


def per_image(values: Any) -> Any:
    """(batch,) as (batch, 1, 1, 1)."""
    return ops.reshape(values, (*values.shape, 1, 1, 1))


def as_range(factor: Any, name: str = "factor", low: float = -1, high: float = 1, mirrored: bool = True) -> tuple:
    """(lower, upper) of a number, which stands for ± itself, or of two numbers.

    Raises:
        ValueError: unless they are numbers in [low, high].
    """
    message = (
        f"The `{name}` argument should be a number (or a list of two numbers) in the range [{low}, {high}]. "
        f"Received: {name}={factor}"
    )
    if isinstance(factor, bool) or not isinstance(factor, int | float | list | tuple):
        raise ValueError(message)
    if isinstance(factor, list | tuple):
        if len(factor) != 2 or any(isinstance(f, bool) or not isinstance(f, int | float) for f in factor):
            raise ValueError(message)
        bounds = tuple(sorted(factor))
    elif not low <= factor <= high:
        raise ValueError(message)
    else:
        bounds = (max(-abs(factor), low) if mirrored else low, abs(factor))
    if bounds[0] < low or bounds[1] > high:
        raise ValueError(message)
    return bounds


def as_value_range(value_range: Any) -> list:
    """Two numbers in order.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(value_range, list | tuple) or len(value_range) != 2:
        raise ValueError(
            f"The `value_range` argument should be a list of two numbers. Received: value_range={value_range}"
        )
    return sorted(value_range)


def rescaled(x: Any, source: Any, target: Any) -> Any:
    """Values from one range in another."""
    if tuple(source) == tuple(target):
        return x
    scale = (target[1] - target[0]) / (source[1] - source[0])
    return (x - source[0]) * scale + target[0]


def check_filling(fill_mode: str, interpolation: str) -> None:
    """Raise ValueError on words that no layer knows."""
    check_choice(fill_mode, FILL_MODES, "fill_mode")
    check_choice(interpolation, INTERPOLATIONS, "interpolation")
