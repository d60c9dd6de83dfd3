"""Normalisations of each sample by itself: layer, RMS and unit normalisation."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.layers.layer import Layer
from gpunet.layers.normalization.affine import AffineNormalization, as_axes, sizes_along
from gpunet.layers.stateless import StatelessLayer


class LayerNormalization(AffineNormalization):
    """gamma·(x − mean) / √(variance + epsilon) + beta with the statistics of each sample (Ba et al., arXiv:1607.06450).

    Args:
        axis: the axis, or axes, over which statistics are taken, and along which gamma and beta vary.
        epsilon, center, scale, ...: as in `BatchNormalization`.
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ):
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        if rms_scaling:
            raise ValueError(
                "LayerNormalization: rms_scaling=True divided by the standard deviation, not the root mean square, and "
                "is deprecated in Keras. Use RMSNormalization. Received: rms_scaling=True"
            )
        self.axis = as_axes(axis, "LayerNormalization")

    def build(self, input_shape: Any) -> None:
        self.axis, shape = sizes_along(self.axis, input_shape, "LayerNormalization")
        self._add_gamma_and_beta(shape)

    def call(self, inputs: Any) -> Any:
        y = ops.layer_normalization(inputs, self.gamma, self.beta, self.axis, self.epsilon)
        return ops.cast(y, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"axis": self.axis, "rms_scaling": False}


class RMSNormalization(Layer):
    """scale·x / √(mean of x² + epsilon) over `axis`, an axis or several (Zhang and Sennrich, arXiv:1910.07467)."""

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = as_axes(axis, "RMSNormalization")
        self.epsilon = float(epsilon)
        self.scale: Any = None

    def build(self, input_shape: Any) -> None:
        self.axis, shape = sizes_along(self.axis, input_shape, "RMSNormalization")
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")

    def call(self, inputs: Any) -> Any:
        return ops.rms_normalization(inputs, self.scale, self.axis, self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"axis": self.axis, "epsilon": self.epsilon}


class UnitNormalization(StatelessLayer):
    """x divided by its Euclidean norm over `axis`, an axis or several."""

    def __init__(self, axis: Any = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = as_axes(axis, "UnitNormalization")
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"axis": self.axis}
