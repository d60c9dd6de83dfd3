"""When a loop is compiled.

Loading a loop's machine code takes a tenth of a second for the first one, a millisecond for others; where it was never
compiled before, half a second more, and 0.1 to 0.2 seconds for each. So a loop whose results equal NumPy's in every bit
waits until NumPy has spent a while on the same work, and is then compiled by a thread while NumPy goes on: short
programs never pay, long ones never stop. Other loops are compiled where they stand, and chosen by the size of the
arrays alone, so that runs can be repeated.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import threading
from collections.abc import Callable
from typing import Any

from gpunet.backend.bound import declining
from gpunet.backend.numba_cpu import machine_code, team

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
        function: plain Python over arrays and scalars, the last argument the number of `parts`.
        signature: of Numba's, such as "void(float32[::1], intp)".
        saving: ns per item that NumPy takes longer.
        call_saving: the same per call: a loop is one call where NumPy makes several.
    """

    def __init__(self, function: Callable[..., None], signature: str, saving: float = 1.0, call_saving: float = 1000.0):
        self.function = function
        self.signature = signature
        self.saving = saving
        self.call_saving = call_saving
        self.failure: Exception | None = None
        self._code: team.Code | None = None
        self._thread: threading.Thread | None = None

    def when_ready(self, items: int) -> Callable[..., None] | None:
        """The machine code to call without `parts`, or None while NumPy should do the work, here on `items` items."""
        if self._code is None:
            self._prepare(items)
            return None
        return self._code.for_parts(team.parts(items))

    def bound(self, items: int, *values: Any, result: Any = None, first: Callable[[], float] | None = None) -> Callable:
        """A function that runs on these very arguments and returns `result`, or NotImplemented before it is compiled.

        Args:
            first: gives the value of the first scalar at each call.
        """
        number = next((i for i, value in enumerate(values) if not hasattr(value, "strides")), -1)
        call = change = None

        def run():
            nonlocal call, change
            if call is None:
                if self.when_ready(items) is None or self._code is None:
                    return NotImplemented
                call, change = self._code.bound(team.parts(items), *values)
            if first is not None:
                change(number, first())
            call()
            return result

        return declining(run)

    def now(self, items: int = 1) -> Callable[..., None] | None:
        """The machine code, compiled or loaded now if need be; None where Numba fails, which is logged once."""
        self._make()
        return None if self._code is None else self._code.for_parts(team.parts(items))

    def fixed(self, items: int, *values: Any) -> Callable[[], None] | None:
        """`now(items)` on these very arguments, which must stay where they are."""
        self._make()
        return None if self._code is None else self._code.bound(team.parts(items), *values)[0]

    def _prepare(self, items: int) -> None:
        """Compile beside the work once enough time was spent without."""
        if self._thread is not None or self.failure is not None:
            return
        _spent[0] += items * self.saving + self.call_saving
        if _spent[0] >= _PATIENCE:
            name = f"gpunet-compile-{self.function.__name__}"
            self._thread = threading.Thread(target=self._make, name=name)
            self._thread.start()

    def _make(self) -> None:
        if self._code is not None or self.failure is not None:
            return
        with _compiling:
            if self._code is not None or self.failure is not None:
                return
            try:
                openmp = team.openmp() if "prange" in self.function.__code__.co_names else None
                address = machine_code.load(self.function, self.signature, openmp.symbols if openmp else {})
                self._code = team.Code(address, machine_code.arguments(self.signature), openmp)
            except Exception as error:  # of a compiler's many kinds; NumPy serves instead
                self.failure = error
                _report(self.function, error)


def _report(function: Callable[..., None], error: Exception) -> None:
    import logging  # its import takes as long as all of this package's, and is seldom needed

    message = "Numba could not compile %s, NumPy does its work: %s"
    logging.getLogger("gpunet").warning(message, function.__name__, error)
