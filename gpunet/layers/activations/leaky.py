"""Rectifiers that let something of negative inputs through."""

from __future__ import annotations

from typing import Any

from gpunet import constraints, initializers, ops, random, regularizers
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.layer import Layer
from gpunet.layers.stateless import StatelessLayer


class LeakyReLU(StatelessLayer):
    """x where positive, else negative_slope·x.

    Raises:
        ValueError: if the slope is negative or None.
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any):
        super().__init__(**kwargs)
        if negative_slope is None or negative_slope < 0:
            raise ValueError(
                f"The negative_slope value of a Leaky ReLU layer cannot be None or negative value. Expected a float. "
                f"Received: negative_slope={negative_slope}"
            )
        self.negative_slope = negative_slope
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return ops.leaky_relu(inputs, self.negative_slope)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"negative_slope": self.negative_slope}


class ELU(StatelessLayer):
    """x where positive, else alpha·(e^x − 1) (Clevert et al., arXiv:1511.07289)."""

    def __init__(self, alpha: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = alpha
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return ops.elu(inputs, self.alpha)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"alpha": self.alpha}


class PReLU(Layer):
    """x where positive, else alpha·x with a learned alpha (He et al., arXiv:1502.01852).

    Args:
        shared_axes: axes along which alpha is one number, such as the spatial ones after a convolution.

    Raises:
        ValueError: when built, if another axis has no known size.
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        single = shared_axes is None or isinstance(shared_axes, int)
        self.shared_axes = ([shared_axes] if shared_axes is not None else None) if single else list(shared_axes)
        self.alpha: Any = None
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        shared = self.shared_axes or ()
        shape = tuple(1 if d in shared else n for d, n in enumerate(input_shape[1:], 1))
        if None in shape:
            raise ValueError(
                f"PReLU needs inputs of known sizes along the axes that are not in shared_axes={self.shared_axes}. "
                f"Received: shape={tuple(input_shape)}"
            )
        self.alpha = self.add_weight(
            name="alpha",
            shape=shape,
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        axes = {d: n for d, n in enumerate(input_shape) if d and d not in shared} if shared else {}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes)

    def call(self, inputs: Any) -> Any:
        return ops.relu(inputs) - self.alpha * ops.relu(-inputs)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }


class RandomizedLeakyReLU(StatelessLayer):
    """x where positive, else slope·x: while training with a slope of its own for each element, else with their mean.

    (Xu et al., arXiv:1505.00853.)

    Args:
        lower, upper: slopes are uniform in [lower, upper).
        seed: an int; chosen where None.

    Raises:
        ValueError: unless 0 ≤ lower ≤ upper.
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 <= lower <= upper:
            raise ValueError(f"slopes need 0 <= lower <= upper. Received: lower={lower}, upper={upper}")
        self.lower = float(lower)
        self.upper = float(upper)
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return ops.leaky_relu(inputs, (self.lower + self.upper) / 2)
        slope = random.uniform_like(ops.stop_gradient(inputs), self.lower, self.upper, self.seed_generator)
        return ops.where(ops.greater(inputs, 0), inputs, inputs * slope)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"lower": self.lower, "upper": self.upper, "seed": self.seed}
