"""The functions of CuPy that gpunet uses, listed: nothing else of the module is reachable from an implementation."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

UFUNCS = """
    absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_or
    bitwise_xor ceil copysign cos cosh divide equal exp exp2 expm1 floor floor_divide greater
    greater_equal invert isfinite isinf isnan left_shift less less_equal log log10 log1p log2
    logaddexp logical_and logical_not logical_or logical_xor maximum minimum mod multiply negative
    nextafter not_equal power reciprocal right_shift rint sign sin sinh sqrt square subtract tan tanh trunc
""".split()
FUNCTIONS = """
    all amax amin any arange argmax argmin argsort asarray broadcast_to concatenate copyto cumprod
    cumsum empty flip full matmul max mean ndarray prod sum take_along_axis where zeros
""".split()
# Of the submodules: factorizations by cuSOLVER and transforms by cuFFT, for `gpunet.ops` and no primitive.
LIBRARIES = {"linalg": "cholesky det eigh inv qr slogdet solve svd", "fft": "fftn ifftn irfft rfft"}


def make_facade(xp: ModuleType) -> SimpleNamespace:
    """The listed functions of `xp` (CuPy, or NumPy under emulation) as a namespace."""
    facade = SimpleNamespace(**{name: getattr(xp, name) for name in UFUNCS + FUNCTIONS})
    for library, names in LIBRARIES.items():
        module = _Late(xp, library, names.split())
        setattr(facade, library, module)
    return facade


class _Late:
    """The listed functions of a submodule, looked up when they are called: CuPy loads its library then."""

    def __init__(self, xp: ModuleType, library: str, names: list[str]):
        self._xp, self._library, self._names = xp, library, names

    def __getattr__(self, name: str) -> Any:
        if name not in self._names:
            raise AttributeError(f"{self._library}.{name} is not among the functions that gpunet uses")
        return getattr(getattr(self._xp, self._library), name)
