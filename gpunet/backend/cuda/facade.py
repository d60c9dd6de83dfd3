"""The functions of CuPy that gpunet uses, listed: nothing else of the module is reachable from an implementation."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

UFUNCS = """
    absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_or
    bitwise_xor ceil copysign cos cosh divide equal exp exp2 expm1 floor floor_divide greater
    greater_equal invert isfinite isinf isnan left_shift less less_equal log log10 log1p log2
    logaddexp logical_and logical_not logical_or logical_xor maximum minimum mod multiply negative
    not_equal power reciprocal right_shift rint sign sin sinh sqrt square subtract tan tanh trunc
""".split()
FUNCTIONS = """
    all amax amin any arange argmax argmin argsort asarray broadcast_to concatenate copyto cumprod
    cumsum empty flip full matmul max mean ndarray prod sum take_along_axis where zeros
""".split()


def make_facade(xp: ModuleType) -> SimpleNamespace:
    """The listed functions of `xp` (CuPy, or NumPy under emulation) as a namespace."""
    return SimpleNamespace(**{name: getattr(xp, name) for name in UFUNCS + FUNCTIONS})
