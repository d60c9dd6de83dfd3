"""When a loop is compiled, and where the machine code is kept.

Importing Numba takes a quarter of a second, starting its compiler as much again; then a loop takes 0.1 to 0.2 seconds
where it was never compiled before, 20 ms where it is on disk. So a loop whose results equal NumPy's in every bit waits
until NumPy has spent a while on the same work, and is then compiled by a thread while NumPy goes on: short programs
never pay, long ones never stop. Other loops are compiled where they stand, and chosen by the size of the arrays alone,
so that runs can be repeated.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import threading
from collections.abc import Callable
from typing import Any

from gpunet.backend.cache import cache_folder

_PATIENCE = 0.1e9  # ns of NumPy's time on work that loops could do
_compiling = threading.RLock()  # one at a time; Numba's compiler is not reentrant across threads anyway
if hasattr(os, "register_at_fork"):  # a child would wait forever for a compilation that its parent is in
    os.register_at_fork(
        before=_compiling.acquire, after_in_parent=_compiling.release, after_in_child=_compiling.release
    )
_spent = [0.0]


@functools.cache
def is_installed() -> bool:
    """Whether Numba is there; it is not imported to find out."""
    return importlib.util.find_spec("numba") is not None


class Loop:
    """A function of `loops.py`, compiled for one signature when it is worth it.

    Args:
        function: plain Python over arrays and scalars.
        signature: of Numba's, such as "void(float32[::1], intp)".
        saving: ns per item that NumPy takes longer.
    """

    def __init__(self, function: Callable[..., None], signature: str, saving: float = 1.0):
        self.function = function
        self.signature = signature
        self.saving = saving
        self.code: Callable[..., None] | None = None
        self.failure: Exception | None = None
        self._thread: threading.Thread | None = None

    def when_ready(self, items: int) -> Callable[..., None] | None:
        """The machine code, or None while NumPy should do the work, here on `items` items."""
        if self.code is None and self._thread is None and self.failure is None:
            _spent[0] += items * self.saving
            if _spent[0] >= _PATIENCE:
                self._thread = threading.Thread(target=self.now, name=f"gpunet-compile-{self.function.__name__}")
                self._thread.start()
        return self.code

    def now(self) -> Callable[..., None] | None:
        """The machine code, compiled or loaded now if need be; None where Numba fails, which is logged once."""
        with _compiling:
            if self.code is None and self.failure is None:
                try:
                    self.code = _compile(self.function, self.signature)
                except Exception as error:  # of a compiler's many kinds; NumPy serves instead
                    self.failure = error
                    _report(self.function, error)
        return self.code


def _compile(function: Callable[..., None], signature: str) -> Callable[..., None]:
    numba: Any = importlib.import_module("numba")
    folder = cache_folder("numba")
    kept = _is_writable(folder)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = folder  # read while the decorator runs
    try:
        dispatcher = numba.njit(signature, cache=kept, nogil=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = before
    return dispatcher


def _is_writable(folder: str) -> bool:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _report(function: Callable[..., None], error: Exception) -> None:
    import logging  # its import takes as long as all of this package's, and is seldom needed

    message = "Numba could not compile %s, NumPy does its work: %s"
    logging.getLogger("gpunet").warning(message, function.__name__, error)
