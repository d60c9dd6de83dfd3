"""Group normalisation."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.normalization.affine import AffineNormalization


class GroupNormalization(AffineNormalization):
    """Normalises each group of channels of each sample, then scales channels (Wu and He, arXiv:1803.08494).

    Args:
        groups: how many groups the channels are split into; −1 for one per channel (instance normalisation).
        axis: the channel axis.
        epsilon, center, scale, ...: as in `BatchNormalization`.

    Raises:
        ValueError: if `groups` is neither positive nor −1, or does not divide the channels.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
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
        if not isinstance(groups, int) or (groups <= 0 and groups != -1):
            raise ValueError(
                f"Received an invalid value for argument `groups`, expected a positive integer (or `-1` for instance "
                f"normalization). Received: groups={groups}"
            )
        self.groups = groups
        self.axis = int(axis)

    def build(self, input_shape: Any) -> None:
        rank = len(input_shape)
        channels = input_shape[self.axis] if -rank <= self.axis < rank else None
        if channels is None:
            raise ValueError(
                f"Axis {self.axis} of input tensor should have a defined dimension but the layer received an input "
                f"with shape {tuple(input_shape)}."
            )
        if self.groups == -1:
            self.groups = channels
        if self.groups > channels:
            raise ValueError(
                f"Number of groups ({self.groups}) cannot be more than the number of channels ({channels})."
            )
        if channels % self.groups:
            raise ValueError(
                f"Number of channels ({channels}) must be a multiple of the number of groups ({self.groups})."
            )
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: channels})
        self._add_gamma_and_beta((channels,))

    def call(self, inputs: Any) -> Any:
        shape, axis = tuple(inputs.shape), self.axis % len(inputs.shape)
        split = (self.groups, shape[axis] // self.groups)
        wide = ops.cast(inputs, "float32") if inputs.dtype.itemsize == 2 else inputs
        x = ops.reshape(wide, (*shape[:axis], *split, *shape[axis + 1 :]))
        axes = [d for d in range(1, len(x.shape)) if d != axis]
        along = [n for d in range(len(shape)) for n in (split if d == axis else (1,))]
        y = ops.layer_normalization(x, axis=axes, epsilon=self.epsilon)
        if self.gamma is not None:
            y = y * ops.reshape(self.gamma, along)
        if self.beta is not None:
            y = y + ops.reshape(self.beta, along)
        return ops.cast(ops.reshape(y, shape), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"groups": self.groups, "axis": self.axis}
