"""N-d convolution as three bilinear primitives, closed under differentiation.

Arrays are channels-last: x (batch, *spatial, in), kernel (*window, in / groups, out), y (batch, *out, out).
`padding` holds explicit (low, high) pairs per spatial axis. The convolution is the correlation that the
field calls convolution; `groups` splits both channel axes.
"""

from __future__ import annotations

from gpunet.backend.abstract import AbstractArray
from gpunet.backend.primitive import Primitive


def conv_output_shape(spatial, window, strides, padding, dilation) -> tuple[int, ...]:
    """The spatial output shape; 0 where the dilated window does not fit."""
    return tuple(
        max(0, (n + lo + hi - d * (k - 1) - 1) // s + 1)
        for n, k, s, (lo, hi), d in zip(spatial, window, strides, padding, dilation)
    )


def _infer_conv(x, w, b=None, *, strides, padding, dilation, groups=1, activation=None):
    out = conv_output_shape(x.shape[1:-1], w.shape[:-2], strides, padding, dilation)
    return AbstractArray((x.shape[0], *out, w.shape[-1]), x.dtype)


# act(conv(x, w) + b) with b None and activation None or "relu".
conv = Primitive("conv", _infer_conv)
# The adjoint in x: g (batch, *out, out) and w → (batch, *spatial, in), the shape given by `spatial`.
conv_input_grad = Primitive(
    "conv_input_grad",
    lambda g, w, *, spatial, strides, padding, dilation, groups=1: AbstractArray(
        (g.shape[0], *spatial, w.shape[-2] * groups), g.dtype
    ),
)
# The adjoint in w: x and g → (*window, in / groups, out).
conv_weight_grad = Primitive(
    "conv_weight_grad",
    lambda x, g, *, window, strides, padding, dilation, groups=1: AbstractArray(
        (*window, x.shape[-1] // groups, g.shape[-1]), x.dtype
    ),
)
