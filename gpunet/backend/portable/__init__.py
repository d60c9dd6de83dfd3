"""Implementations on the functions that NumPy and CuPy share. Complete, and the plain reading of each primitive.

The CPU and CUDA providers stand in front of it with faster implementations of what matters.
"""

from gpunet.backend.primitive import Provider

portable = Provider("portable", binds_namespace=True)

from gpunet.backend.portable import (  # noqa: E402 - the modules register themselves on `portable`
    activation,
    adaptive,
    conv,
    elementwise,
    layer_norm,
    matmul,
    nn,
    pooling,
    random,
    recurrent,
    reduction,
    shape,
    update,
)

__all__ = [
    "activation",
    "adaptive",
    "conv",
    "elementwise",
    "layer_norm",
    "matmul",
    "nn",
    "pooling",
    "portable",
    "random",
    "recurrent",
    "reduction",
    "shape",
    "update",
]
