"""Adding up the parts of a product, its bias and its ReLU, in one pass in the bits of NumPy's several."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunet import config
from gpunet.backend.cpu.results import FLOAT32, is_flat
from gpunet.backend.numba_cpu import loops
from gpunet.backend.numba_cpu.compiled import Loop, is_installed

_SMALL = 1 << 14  # items: below it NumPy's calls are as quick, unless they are made ready
_ADD_UP = Loop(loops.add_up, "void(float32[:, :, ::1], float32[::1], float32[:, ::1], intp, intp)", 0.3, 2000.0)
_NOTHING = np.empty(0, FLOAT32)
_ZERO = np.zeros((), FLOAT32)


def add_up(addends: np.ndarray, bias: np.ndarray | None, relu: bool, out: np.ndarray) -> None:
    """The sum of addends (2 or more, m, n), from first to last, and of a bias (n,); max(·, 0) of it if `relu`."""
    if out.size >= _SMALL and _has_loop(bias):
        loop = _ADD_UP.when_ready(out.size)
        if loop is not None:
            loop(addends, _NOTHING if bias is None else bias, out, relu)
            return
    _add_up(addends, bias, relu, out)


def bind_add_up(addends: np.ndarray, bias: np.ndarray | None, relu: bool, out: np.ndarray) -> Callable[[], None]:
    """`add_up` of these very arrays, to be called many times."""
    if not _has_loop(bias):
        return lambda: _add_up(addends, bias, relu, out)
    loop = _ADD_UP.bound(out.size, addends, _NOTHING if bias is None else bias, out, int(relu))

    def run():
        if loop() is NotImplemented:
            _add_up(addends, bias, relu, out)

    return run


def _has_loop(bias: np.ndarray | None) -> bool:
    return "numba" in config.cpu_providers() and is_installed() and (bias is None or is_flat(bias))


def _add_up(addends, bias, relu, out):
    np.add(addends[0], addends[1], out)
    for addend in addends[2:]:
        np.add(out, addend, out)
    if bias is not None:
        np.add(out, bias, out)
    if relu:
        np.maximum(out, _ZERO, out=out)
