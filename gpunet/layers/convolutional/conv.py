"""Convolutional layers by number of spatial axes; their arguments are those of `BaseConv` and `BaseConvTranspose`."""

from __future__ import annotations

from gpunet.layers.convolutional.base_conv import BaseConv
from gpunet.layers.convolutional.base_conv_transpose import BaseConvTranspose


class Conv2D(BaseConv):
    """2-D convolution: (batch, height, width, channels) → (batch, height', width', filters).

    With `data_format="channels_first"`, channels are the second axis.
    """

    rank = 2


class Conv2DTranspose(BaseConvTranspose):
    """Transposed 2-D convolution: (batch, height, width, channels) → (batch, height·s, width·s, filters) for "same"."""

    rank = 2
