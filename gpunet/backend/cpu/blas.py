"""The OpenBLAS that NumPy brought along: its threads, and the processor that its kernels were made for."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

_NAMES = (("scipy_openblas_", "64_"), ("openblas_", "64_"), ("openblas_", ""))


@functools.cache
def _function(name: str) -> Any:
    """OpenBLAS's function `openblas_<name>` as NumPy's library calls it, or None."""
    folder = os.path.join(os.path.dirname(os.path.dirname(np.__file__)), "numpy.libs")
    files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for file in files:
        if "openblas" in file:
            library = ctypes.CDLL(os.path.join(folder, file))
            for prefix, suffix in _NAMES:
                found = getattr(library, f"{prefix}{name}{suffix}", None)
                if found is not None:
                    return found
    return None


@functools.cache
def threads() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """(get, set) of the number of its threads, or None without OpenBLAS."""
    get, set_ = _function("get_num_threads"), _function("set_num_threads")
    return None if get is None or set_ is None else (get, set_)


def core() -> str | None:
    """The processor whose kernels it has chosen, such as "Haswell"; None without OpenBLAS or a choice."""
    name, config = _function("get_corename"), _function("get_config")
    if name is None or config is None:
        return None
    name.restype = config.restype = ctypes.c_char_p
    return name().decode() if b"DYNAMIC_ARCH" in config() else None
