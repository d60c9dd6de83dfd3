"""Layers that choose among other augmentations at random."""

from __future__ import annotations

from typing import Any

from gpunet import ops, random
from gpunet.layers.preprocessing.colors import RandomBrightness, RandomColorDegeneration, RandomContrast
from gpunet.layers.preprocessing.image_layer import Draws, RandomImageLayer, as_range, as_value_range
from gpunet.layers.preprocessing.moving import RandomRotation, RandomShear, RandomTranslation
from gpunet.layers.preprocessing.tones import (
    AutoContrast,
    Equalization,
    RandomPosterization,
    RandomSharpness,
    Solarization,
)


class RandAugment(RandomImageLayer):
    """Some of eleven augmentations one after the other, while training (Cubuk et al., arXiv:1909.13719).

    All images of a batch get the same ones, each with its own strength.

    Args:
        value_range: (smallest, largest) of the images' values.
        num_ops: how many.
        factor: the strength of each, in [0, 1], or two numbers.
        interpolation: "nearest" or "bilinear".

    Raises:
        ValueError: if a number is outside [0, 1].
    """

    settings = ("value_range", "num_ops", "factor", "interpolation")

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.value_range = as_value_range(value_range)
        self.num_ops = num_ops
        self.factor = as_range(factor, "factor", 0, 1)
        self.interpolation = interpolation
        self._choices = _augmentations(self.factor, value_range, interpolation, seed, self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        for layer in self._choices:
            layer.build(input_shape)

    def _draw(self, x: Any, draws: Draws) -> Any:
        chosen = [ops.floor(draws.one(0.0, float(len(self._choices)))) for _ in range(self.num_ops)]
        drawn = [choice.get_random_transformation(x, seed=draws.seed) for choice in self._choices]
        return {"transforms": drawn, "layer_idxes": chosen}

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        for chosen in transformation["layer_idxes"]:
            before = x
            for k, (choice, drawn) in enumerate(zip(self._choices, transformation["transforms"])):
                x = ops.where(ops.equal(chosen, float(k)), choice.transform_images(before, drawn), x)
        return x


class AugMix(RandomImageLayer):
    """Images mixed with what chains of augmentations make of them, while training (Hendrycks et al., arXiv:1912.02781).

    Args:
        value_range: (smallest, largest) of the images' values.
        num_chains, chain_depth: the number of chains, and of augmentations or nothing in each.
        factor: the strength of each, in [0, 1], or two numbers.
        alpha: weights of chains are drawn from a Dirichlet distribution with it, that of the images from a beta
            distribution.
        all_ops: whether brightness, colour, contrast and sharpness are changed too.
        interpolation: "nearest" or "bilinear".

    Raises:
        ValueError: if a number is outside [0, 1].
    """

    settings = ("value_range", "num_chains", "chain_depth", "factor", "alpha", "all_ops", "interpolation")

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.value_range = as_value_range(value_range)
        self.num_chains = num_chains
        self.chain_depth = chain_depth
        self.factor = as_range(factor, "factor", 0, 1)
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self._choices = _augmentations(self.factor, value_range, interpolation, seed, self.dtype_policy, all_ops)

    def build(self, input_shape: Any) -> None:
        for layer in self._choices:
            layer.build(input_shape)

    def _draw(self, x: Any, draws: Draws) -> Any:
        chains = []
        for _ in range(self.num_chains):
            steps = [ops.floor(draws.one(0.0, len(self._choices) + 1.0)) for _ in range(self.chain_depth)]
            drawn = [choice.get_random_transformation(x, seed=draws.seed) for choice in self._choices]
            chains.append((steps, drawn))
        weights = draws.one(0.0, 1.0) * 0.0 + ops.zeros_like(ops.stack([chains[0][0][0]] * self.num_chains))
        gammas = random.gamma(weights.shape, weights + self.alpha, seed=draws.seed)
        alpha = draws.one(0.0, 1.0) * 0.0 + self.alpha
        return {
            "chain_mixing_weights": gammas / ops.sum(gammas),
            "weight_sample": random.beta((), alpha, alpha, seed=draws.seed),
            "chain_transforms": chains,
        }

    def _apply(self, x: Any, transformation: Any, interpolation: str) -> Any:
        mixed: Any = 0.0
        for k, (steps, drawn) in enumerate(transformation["chain_transforms"]):
            found = x
            for step in steps:
                before = found
                for i, (choice, own) in enumerate(zip(self._choices, drawn)):
                    found = ops.where(ops.equal(step, float(i)), choice.transform_images(before, own), found)
            mixed = mixed + found * ops.cast(transformation["chain_mixing_weights"][k], x.dtype)
        share = ops.cast(transformation["weight_sample"], x.dtype)
        return ops.clip(share * x + (1.0 - share) * mixed, *map(float, self.value_range))


def _augmentations(
    factor: tuple, value_range: Any, interpolation: str, seed: Any, dtype: Any, colors: bool = True
) -> list[Any]:
    """The layers to choose from, for channels-last images."""
    common = {"seed": seed, "data_format": "channels_last", "dtype": dtype}
    moving = common | {"interpolation": interpolation}
    coloring = common | {"value_range": value_range}
    fixed = {"value_range": value_range, "data_format": "channels_last", "dtype": dtype}
    found = [
        RandomShear(factor, factor, **moving),
        RandomTranslation(factor, factor, **moving),
        RandomRotation(factor, **moving),
        RandomPosterization(max(1, int(8 * factor[1])), **coloring),
        Solarization(factor, factor, **coloring),
        AutoContrast(**fixed),
        Equalization(**fixed),
    ]
    if colors:
        kinds = RandomBrightness, RandomColorDegeneration, RandomContrast, RandomSharpness
        found += [kind(factor, **coloring) for kind in kinds]
    return found
