"""The cuda provider: our kernels, and the one facade through which everything else reaches CuPy."""

from importlib import import_module

from gpunet.backend.cuda.facade import make_facade
from gpunet.backend.primitive import Provider

cuda = Provider("cuda")

# Each registers its implementations on `cuda`. They are imported when the first array of a GPU is seen.
FAMILIES = """
    elementwise reduction sorting shape gemm conv random update batch_norm pooling softmax
""".split()


def load() -> Provider:
    """The provider with all its implementations."""
    for name in FAMILIES:
        import_module(f"gpunet.backend.cuda.{name}")
    return cuda


__all__ = ["FAMILIES", "cuda", "load", "make_facade"]
