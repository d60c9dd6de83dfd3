"""Pooling layers by number of spatial axes."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.layers.pooling.base_pooling import (
    AdaptiveAveragePooling,
    AdaptiveMaxPooling,
    AveragePooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    GlobalMinPooling,
    MaxPooling,
    MinPooling,
)


class MaxPooling1D(MaxPooling):
    """The largest element of each window: (batch, steps, channels) → (batch, steps', channels)."""

    rank = 1


class MaxPooling2D(MaxPooling):
    """The largest element of each window: (batch, height, width, channels) → (batch, height', width', channels)."""

    rank = 2


class MaxPooling3D(MaxPooling):
    """The largest element of each window:
    (batch, depth, height, width, channels) → (batch, depth', height', width', channels).
    """

    rank = 3


class MinPooling1D(MinPooling):
    """The smallest element of each window: (batch, steps, channels) → (batch, steps', channels)."""

    rank = 1


class MinPooling2D(MinPooling):
    """The smallest element of each window: (batch, height, width, channels) → (batch, height', width', channels)."""

    rank = 2


class MinPooling3D(MinPooling):
    """The smallest element of each window:
    (batch, depth, height, width, channels) → (batch, depth', height', width', channels).
    """

    rank = 3


class AveragePooling1D(AveragePooling):
    """The mean of each window, padding not counted: (batch, steps, channels) → (batch, steps', channels)."""

    rank = 1


class AveragePooling2D(AveragePooling):
    """The mean of each window, padding not counted:
    (batch, height, width, channels) → (batch, height', width', channels).
    """

    rank = 2


class AveragePooling3D(AveragePooling):
    """The mean of each window, padding not counted:
    (batch, depth, height, width, channels) → (batch, depth', height', width', channels).
    """

    rank = 3


class GlobalMaxPooling1D(GlobalMaxPooling):
    """The largest element over the steps: (batch, steps, channels) → (batch, channels)."""

    rank = 1


class GlobalMaxPooling2D(GlobalMaxPooling):
    """The largest element over height and width: (batch, height, width, channels) → (batch, channels)."""

    rank = 2


class GlobalMaxPooling3D(GlobalMaxPooling):
    """The largest element over depth, height and width: (batch, depth, height, width, channels) → (batch, channels)."""

    rank = 3


class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean over the steps: (batch, steps, channels) → (batch, channels).

    Steps that a mask (batch, steps) leaves out do not count.
    """

    rank = 1

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return super().call(inputs)
        steps, channels = (1, 2) if self.data_format == "channels_last" else (2, 1)
        counts = ops.expand_dims(ops.cast(mask, "bool"), channels)
        total = ops.sum(ops.where(counts, inputs, 0), steps, self.keepdims)
        return total / ops.sum(ops.cast(counts, inputs.dtype), steps, self.keepdims)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: no steps are left."""


class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean over height and width: (batch, height, width, channels) → (batch, channels)."""

    rank = 2


class GlobalAveragePooling3D(GlobalAveragePooling):
    """The mean over depth, height and width: (batch, depth, height, width, channels) → (batch, channels)."""

    rank = 3


class AdaptiveAveragePooling1D(AdaptiveAveragePooling):
    """The mean of each of `output_size` windows: (batch, steps, channels) → (batch, size, channels)."""

    rank = 1


class AdaptiveAveragePooling2D(AdaptiveAveragePooling):
    """The mean of each of `output_size` windows:
    (batch, height, width, channels) → (batch, size, size, channels).
    """

    rank = 2


class AdaptiveAveragePooling3D(AdaptiveAveragePooling):
    """The mean of each of `output_size` windows:
    (batch, depth, height, width, channels) → (batch, size, size, size, channels).
    """

    rank = 3


class AdaptiveMaxPooling1D(AdaptiveMaxPooling):
    """The largest element of each of `output_size` windows:
    (batch, steps, channels) → (batch, size, channels).
    """

    rank = 1


class AdaptiveMaxPooling2D(AdaptiveMaxPooling):
    """The largest element of each of `output_size` windows:
    (batch, height, width, channels) → (batch, size, size, channels).
    """

    rank = 2


class AdaptiveMaxPooling3D(AdaptiveMaxPooling):
    """The largest element of each of `output_size` windows:
    (batch, depth, height, width, channels) → (batch, size, size, size, channels).
    """

    rank = 3


class GlobalMinPooling1D(GlobalMinPooling):
    """The smallest element over the steps: (batch, steps, channels) → (batch, channels)."""

    rank = 1


class GlobalMinPooling2D(GlobalMinPooling):
    """The smallest element over height and width: (batch, height, width, channels) → (batch, channels)."""

    rank = 2


class GlobalMinPooling3D(GlobalMinPooling):
    """The smallest element over all three axes: (batch, depth, height, width, channels) → (batch, channels)."""

    rank = 3
