"""Layers that erase parts of images, and that mix the images of a batch."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.layers.preprocessing.image_layer import Draws, RandomImageLayer, as_range, as_value_range, per_image
from gpunet.ops.image.layout import as_floats, constant


def _box(draws: Draws, x: Any, height_ratio: Any, width_ratio: Any) -> tuple[Any, Any]:
    """A box in each image, as a mask (batch, height, width, 1), and the share of the image that it covers."""
    inside, share = None, None
    for axis, ratio in ((2, width_ratio), (1, height_ratio)):
        n = x.shape[axis]
        length = ratio * float(n)
        start = draws.uniform() * (float(n) - length)
        places = ops.reshape(constant(range(n), x, "float32"), [n if d == axis else 1 for d in range(4)])
        within = ops.logical_and(
            ops.greater_equal(places, per_image(start)), ops.less(places, per_image(start + length))
        )
        inside = within if inside is None else ops.logical_and(inside, within)
        share = ratio if share is None else share * ratio
    return inside, share


class RandomErasing(RandomImageLayer):
    """Replaces a box in images, while training (Zhong et al., arXiv:1708.04896).

    Args:
        factor: the probability with which an image is changed, or two numbers between which it is drawn.
        scale: the size of the box: its width and height are the root of a number up to it, or between two, as a share.
        fill_value: what replaces it, a number or one for each of three channels; noise where None.
        value_range: (smallest, largest) of the images' values.

    Raises:
        ValueError: if a number is outside [0, 1], or the fill value has not one or three numbers.
    """

    settings = ("factor", "scale", "fill_value", "value_range")
    moves = False

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.factor = as_range(factor, "factor", 0, 1)
        self.scale = as_range(scale, "scale", 0, 1)
        if isinstance(fill_value, list | tuple) and len(fill_value) != 3:
            raise ValueError(
                f"The `fill_value` argument should be a number (or a list of three numbers). "
                f"Received: fill_value={fill_value}"
            )
        self.fill_value = fill_value
        self.value_range = as_value_range(value_range)

    def _draw(self, x: Any, draws: Draws) -> Any:
        ratios = ops.sqrt(draws.uniform(self.scale[0], self.scale[1], (2,)))
        masks, _ = _box(draws, x, ratios[:, 1], ratios[:, 0])
        applied = draws.chance(self.factor)
        if self.fill_value is None:
            fill = draws.noise(x) * float(self.value_range[1])
        else:
            fill = ops.add(ops.zeros_like(as_floats(x)), constant(self.fill_value, x, "float32"))
        return {
            "apply_erasing": applied,
            "batch_masks": masks,
            "fill_value": ops.clip(fill, *map(float, self.value_range)),
        }

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        erased = ops.logical_and(transformation["batch_masks"], per_image(transformation["apply_erasing"]))
        return ops.where(erased, ops.cast(transformation["fill_value"], x.dtype), x)


class _Mixing(RandomImageLayer):
    """Images of a batch mixed with others of it, and their labels with theirs."""

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """The labels (batch, classes), mixed as the images are."""
        if not self._acts(transformation, training):
            return labels
        weight = ops.reshape(transformation["mix_weight"], (-1, *(1,) * (len(labels.shape) - 1)))
        others = ops.take(labels, transformation["permutation_order"], axis=0)
        return weight * labels + (1.0 - weight) * others


class MixUp(_Mixing):
    """w·image + (1 − w)·another image of the batch, while training (Zhang et al., arXiv:1710.09412).

    Called on {"images": …, "labels": …}, it mixes labels too, which should be (batch, classes).

    Args:
        alpha: w is drawn from the beta distribution with both parameters alpha.
    """

    settings = ("alpha",)

    def __init__(self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(seed, data_format, **kwargs)
        self.alpha = alpha

    def _draw(self, x: Any, draws: Draws) -> Any:
        order = draws.order()
        weight = draws.beta(self.alpha)
        return {"mix_weight": weight, "permutation_order": order}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        weight = ops.cast(per_image(transformation["mix_weight"]), x.dtype)
        return weight * x + (1.0 - weight) * ops.take(x, transformation["permutation_order"], axis=0)


class CutMix(_Mixing):
    """A box of each image replaced by that of another of the batch, while training (Yun et al., arXiv:1905.04899).

    Called on {"images": …, "labels": …}, it mixes labels by the area of the box; they should be (batch, classes).

    Args:
        factor: the share that stays is drawn from a beta distribution whose parameters are up to it, or between two.

    Raises:
        ValueError: if a number is outside [0, 1].
    """

    settings = ("factor",)

    def __init__(self, factor: Any = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(seed, data_format, **kwargs)
        self.factor = as_range(factor, "factor", 0, 1)

    def _draw(self, x: Any, draws: Draws) -> Any:
        alpha = draws.one(*self.factor) + 1e-6
        ratio = ops.sqrt(1.0 - draws.beta(alpha))
        masks, share = _box(draws, x, ratio, ratio)
        return {"permutation_order": draws.order(), "batch_masks": masks, "mix_weight": 1.0 - share}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        return ops.where(transformation["batch_masks"], ops.take(x, transformation["permutation_order"], axis=0), x)
