"""Spectral normalisation."""

from __future__ import annotations

from typing import Any

from gpunet import initializers, ops
from gpunet.layers.core.wrapper import Wrapper
from gpunet.layers.input_spec import InputSpec


class SpectralNormalization(Wrapper):
    """While training, divides the kernel of a layer by its largest singular value (Miyato et al., arXiv:1802.05957).

    The value is estimated by the power method, which goes on from call to call.

    Args:
        layer: one with a `kernel` or `embeddings`.
        power_iterations: steps of the power method per call.

    Raises:
        ValueError: if `power_iterations` is not positive, or the layer has neither.
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any):
        super().__init__(layer, **kwargs)
        if power_iterations <= 0:
            raise ValueError(
                f"`power_iterations` should be greater than zero. Received: power_iterations={power_iterations}"
            )
        self.power_iterations = power_iterations

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})
        names = [name for name in ("kernel", "embeddings") if getattr(self.layer, name, None) is not None]
        if not names:
            raise ValueError(f"{type(self.layer).__name__} object has no attribute 'kernel' nor 'embeddings'")
        self.kernel = getattr(self.layer, names[0])
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=(1, self.kernel.shape[-1]),
            initializer=initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
            dtype=self.kernel.dtype,
            autocast=False,
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        if training:
            self._normalize()
        return ops.cast(self.layer(inputs), inputs.dtype)

    def _normalize(self) -> None:
        """Move u and divide the kernel; a kernel of zeros stays as it is, and u with it."""
        weights = ops.reshape(ops.stop_gradient(self.kernel), (-1, self.kernel.shape[-1]))
        before = u = ops.stop_gradient(self.vector_u)
        for _ in range(self.power_iterations):
            v = ops.normalize(ops.matmul(u, ops.transpose(weights)), axis=None)
            u = ops.normalize(ops.matmul(v, weights), axis=None)
        sigma = ops.matmul(ops.matmul(v, weights), ops.transpose(u))
        zero = ops.all(ops.equal(weights, 0))
        sigma = ops.where(zero, ops.ones_like(sigma), sigma)
        self.vector_u.assign(ops.where(zero, before, u))
        self.kernel.assign(ops.reshape(weights / sigma, self.kernel.shape))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"power_iterations": self.power_iterations}
