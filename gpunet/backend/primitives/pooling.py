"""Max, min and average pooling over channels-last arrays, explicit (low, high) padding per spatial axis."""

from __future__ import annotations

from gpunet.backend.abstract import AbstractArray
from gpunet.backend.primitive import Primitive
from gpunet.backend.primitives.conv import conv_output_shape


def _infer_pool(x, *, window, strides, padding, **_):
    out = conv_output_shape(x.shape[1:-1], window, strides, padding, (1,) * len(window))
    return AbstractArray((x.shape[0], *out, x.shape[-1]), x.dtype)


# Padding never wins. Residual: each window's winner, the first in scan order of equals; max_pool_grad takes both's.
max_pool = Primitive("max_pool", _infer_pool, has_residuals=True)
min_pool = Primitive("min_pool", _infer_pool, has_residuals=True)
max_pool_grad = Primitive(
    "max_pool_grad",
    lambda g, *residuals, spatial, window, strides, padding: AbstractArray(
        (g.shape[0], *spatial, g.shape[-1]), g.dtype
    ),
)
# Divides by the number of elements in the window that are not padding (`count_padding`: by all).
avg_pool = Primitive("avg_pool", _infer_pool)
avg_pool_grad = Primitive(
    "avg_pool_grad",
    lambda g, *, spatial, window, strides, padding, count_padding=False: AbstractArray(
        (g.shape[0], *spatial, g.shape[-1]), g.dtype
    ),
)
