"""The numpy provider: what NumPy does faster than the portable reading of a primitive."""

from gpunet.backend.primitive import Provider

cpu = Provider("numpy")

from gpunet.backend.cpu import conv, elementwise, matmul, nn, pooling, reduction, shape, update  # noqa: E402 - they register on `cpu`

__all__ = ["conv", "cpu", "elementwise", "matmul", "nn", "pooling", "reduction", "shape", "update"]
