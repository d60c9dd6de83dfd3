"""The numpy provider: what NumPy does faster than the portable reading of a primitive."""

from gpunet.backend.primitive import Provider

cpu = Provider("numpy")

from gpunet.backend.cpu import (  # noqa: E402 - they register on `cpu`
    activation,
    batch_norm,
    conv,
    copying,
    elementwise,
    layer_norm,
    matmul,
    nn,
    pooling,
    recurrent,
    reduction,
    shape,
    update,
)

__all__ = [
    "activation",
    "batch_norm",
    "conv",
    "copying",
    "cpu",
    "elementwise",
    "layer_norm",
    "matmul",
    "nn",
    "pooling",
    "recurrent",
    "reduction",
    "shape",
    "update",
]
