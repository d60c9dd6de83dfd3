"""The cuda provider: our kernels, and the one facade through which everything else reaches CuPy."""

from functools import partial
from importlib import import_module
from types import ModuleType, SimpleNamespace

from gpunet.backend.cuda.facade import make_facade
from gpunet.backend.primitive import Provider

cuda = Provider("cuda")

# Each registers its implementations on `cuda`. They are imported when the first array of a GPU is seen.
FAMILIES = """
    elementwise activation reduction sorting shape gemm conv random update batch_norm layer_norm pooling
    recurrent softmax
""".split()


def load() -> Provider:
    """The provider with all its implementations."""
    for name in FAMILIES:
        import_module(f"gpunet.backend.cuda.{name}")
    return cuda


def make_namespace(xp: ModuleType) -> SimpleNamespace:
    """The facade with our products in the place of CuPy's: only large ones of integers need cuBLAS."""
    namespace = make_facade(xp)
    products = import_module("gpunet.backend.cuda.gemm")
    namespace.matmul = partial(products.product_of_any, namespace, namespace.matmul)
    return namespace


__all__ = ["FAMILIES", "cuda", "load", "make_facade", "make_namespace"]
