"""Pooling layers by number of spatial axes."""

from __future__ import annotations

from gpunet.layers.pooling.base_pooling import AveragePooling, GlobalAveragePooling, MaxPooling


class MaxPooling2D(MaxPooling):
    """The largest element of each window: (batch, height, width, channels) → (batch, height', width', channels)."""

    rank = 2


class AveragePooling2D(AveragePooling):
    """The mean of each window: (batch, height, width, channels) → (batch, height', width', channels)."""

    rank = 2


class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean over height and width: (batch, height, width, channels) → (batch, channels)."""

    rank = 2
