"""Convolutional layers by number of spatial axes; their arguments are those of their base classes."""

from __future__ import annotations

from gpunet.layers.convolutional.base_conv import BaseConv
from gpunet.layers.convolutional.base_conv_transpose import BaseConvTranspose
from gpunet.layers.convolutional.base_depthwise_conv import BaseDepthwiseConv
from gpunet.layers.convolutional.base_separable_conv import BaseSeparableConv


class Conv1D(BaseConv):
    """1-D convolution: (batch, steps, channels) → (batch, steps', filters), `padding="causal"` included.

    With `data_format="channels_first"`, channels are the second axis.
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class Conv2D(BaseConv):
    """2-D convolution: (batch, height, width, channels) → (batch, height', width', filters).

    With `data_format="channels_first"`, channels are the second axis.
    """

    rank = 2


class Conv3D(BaseConv):
    """3-D convolution: (batch, depth, height, width, channels) → (batch, depth', height', width', filters).

    With `data_format="channels_first"`, channels are the second axis.
    """

    rank = 3


class Conv1DTranspose(BaseConvTranspose):
    """Transposed 1-D convolution: (batch, steps, channels) → (batch, steps·s, filters) for "same"."""

    rank = 1


class Conv2DTranspose(BaseConvTranspose):
    """Transposed 2-D convolution: (batch, height, width, channels) → (batch, height·s, width·s, filters) for "same"."""

    rank = 2


class Conv3DTranspose(BaseConvTranspose):
    """Transposed 3-D convolution: (batch, *spatial, channels) → (batch, *spatial·s, filters) for "same"."""

    rank = 3


class DepthwiseConv1D(BaseDepthwiseConv):
    """Each channel convolved by itself: (batch, steps, channels) → (batch, steps', channels·depth_multiplier)."""

    rank = 1


class DepthwiseConv2D(BaseDepthwiseConv):
    """Each channel convolved by itself: (batch, height, width, channels) → (batch, height', width', channels·m)."""

    rank = 2


class SeparableConv1D(BaseSeparableConv):
    """A depthwise, then a 1×1 convolution: (batch, steps, channels) → (batch, steps', filters)."""

    rank = 1


class SeparableConv2D(BaseSeparableConv):
    """A depthwise, then a 1×1 convolution: (batch, height, width, channels) → (batch, height', width', filters)."""

    rank = 2
