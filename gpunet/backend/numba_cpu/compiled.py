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
import types
from collections.abc import Callable
from typing import Any

from gpunet.backend.cache import cache_folder
from gpunet.backend.numba_cpu import team

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
    """A function of `loops.py`, compiled for one signature when it is worth it: for one thread, and for a team.

    Args:
        function: plain Python over arrays and scalars, the last argument the number of `parts`.
        signature: of Numba's, such as "void(float32[::1], intp)".
        saving: ns per item that NumPy takes longer.
    """

    def __init__(self, function: Callable[..., None], signature: str, saving: float = 1.0):
        self.function = function
        self.signature = signature
        self.saving = saving
        self.failure: Exception | None = None
        self._codes: dict[bool, Callable[..., None] | None] = {}  # for a team or not
        self._threads: dict[bool, threading.Thread] = {}

    def when_ready(self, items: int) -> Callable[..., None] | None:
        """The machine code to call without `parts`, or None while NumPy should do the work, here on `items` items."""
        count = team.parts(items)
        if count > 1 and True in self._codes:
            return _with_parts(self._codes[True], count) or self.when_ready(1)
        if count > 1:
            self._prepare(True, items)
        if False not in self._codes:
            self._prepare(False, items)
            return None
        return _with_parts(self._codes[False], 1)

    def chooser(self, items: int) -> Callable[[], Callable[..., None] | None]:
        """`when_ready(items)` for a call that is made many times: a function that stops asking once it is settled."""
        found = None

        def choose():
            nonlocal found
            if found is not None:
                return found
            code = self.when_ready(items)
            if team.parts(items) == 1 or True in self._codes:
                found = code
            return code

        return choose

    def _prepare(self, for_team: bool, items: int) -> None:
        """Compile beside the work once enough time was spent without."""
        if for_team in self._threads or self.failure is not None:
            return
        _spent[0] += items * self.saving
        if _spent[0] >= _PATIENCE:
            name = f"gpunet-compile-{self.function.__name__}"
            self._threads[for_team] = threading.Thread(target=self._code, args=(for_team,), name=name)
            self._threads[for_team].start()

    def now(self, items: int = 1) -> Callable[..., None] | None:
        """The machine code, compiled or loaded now if need be; None where Numba fails, which is logged once."""
        count = team.parts(items)
        return (count > 1 and _with_parts(self._code(True), count)) or _with_parts(self._code(False), 1)

    def _code(self, for_team: bool) -> Callable[..., None] | None:
        with _compiling:
            if for_team not in self._codes:
                try:
                    self._codes[for_team] = _compile(self.function, self.signature, for_team)
                except Exception as error:  # of a compiler's many kinds; NumPy serves instead
                    if self.failure is None:
                        _report(self.function, error)
                    self.failure = error
                    self._codes[for_team] = None
        return self._codes[for_team]


def _with_parts(code: Callable[..., None] | None, count: int) -> Callable[..., None] | None:
    return None if code is None else lambda *arguments: code(*arguments, count)


def _compile(function: Callable[..., None], signature: str, for_team: bool) -> Callable[..., None] | None:
    numba: Any = importlib.import_module("numba")
    folder = cache_folder("numba-team" if for_team else "numba")  # Numba does not tell the two apart
    options = {"cache": _is_writable(folder), "nogil": True, "error_model": "numpy", "parallel": for_team}
    if for_team:
        names = {**function.__globals__, "prange": numba.prange}
        function = functools.update_wrapper(types.FunctionType(function.__code__, names), function)
        del function.__wrapped__
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = folder  # read while the decorator runs
    try:
        code = numba.njit(signature, **options)(function)
    finally:
        numba.config.CACHE_DIR = before
    return team.shared(code) if for_team else code


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
