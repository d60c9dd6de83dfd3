"""Gamma and beta, the learned scale and offset of normalisations."""

from __future__ import annotations

from typing import Any

from gpunet import constraints, initializers, regularizers
from gpunet.layers.layer import Layer


class AffineNormalization(Layer):
    """The base of normalisations with a gamma and a beta, whose arguments and configuration it keeps.

    Args:
        epsilon: added to the variance.
        center, scale: whether beta and gamma exist.
    """

    def __init__(
        self,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)  # statistics are those of the inputs as they are
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma: Any = None
        self.beta: Any = None
        self.supports_masking = True

    def _add_gamma_and_beta(self, shape: tuple[int, ...]) -> None:
        for name, wanted in (("gamma", self.scale), ("beta", self.center)):
            if wanted:
                weight = self.add_weight(
                    name=name,
                    shape=shape,
                    initializer=getattr(self, f"{name}_initializer"),
                    regularizer=getattr(self, f"{name}_regularizer"),
                    constraint=getattr(self, f"{name}_constraint"),
                    autocast=False,
                )
                setattr(self, name, weight)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }


def as_axes(axis: Any, layer: str) -> Any:
    """An axis as an int, several as a list.

    Raises:
        TypeError: if it is neither.
    """
    if isinstance(axis, list | tuple):
        return list(axis)
    if isinstance(axis, int) and not isinstance(axis, bool):
        return axis
    raise TypeError(
        f"{layer}: Invalid value for `axis` argument: expected an int or a list/tuple of ints. Received: axis={axis!r}"
    )


def sizes_along(axis: Any, shape: Any, layer: str) -> tuple[list[int], tuple[int, ...]]:
    """The axes as a sorted list, and the sizes of a shape along them.

    Raises:
        ValueError: if an axis does not exist or has no known size.
    """
    axes = sorted(axis) if isinstance(axis, list) else [axis]
    if any(not -len(shape) <= a < len(shape) or shape[a] is None for a in axes):
        raise ValueError(f"{layer} needs inputs whose axes {axes} exist and have known sizes. Received: shape={shape}")
    return axes, tuple(shape[a] for a in axes)
