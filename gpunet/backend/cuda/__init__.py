"""The cuda provider: our kernels, and the one facade through which everything else reaches CuPy."""

from gpunet.backend.cuda.facade import make_facade
from gpunet.backend.primitive import Provider

cuda = Provider("cuda")

__all__ = ["cuda", "make_facade"]
