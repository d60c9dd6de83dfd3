"""On which cores threads run."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Callable, Iterable


@functools.cache
def _current() -> Callable[[], int] | None:
    """What says on which core the calling thread runs, or None where the system does not tell."""
    return getattr(ctypes.PyDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None


class Distance:
    """Keeps helpers off the core of the thread that they help.

    Where all other cores are busy, if only with work of low priority, the system would put them there, to wait for that
    thread, which waits for them.
    """

    def __init__(self) -> None:
        self.core = -1

    def keep(self, helpers: Callable[[], Iterable[int | None]]) -> None:
        """Let the helpers, by the system's numbers of threads, run on every core that the caller may use but its own.

        They are asked for only when the caller has moved.
        """
        current = _current()
        if current is None or (core := current()) == self.core:
            return
        others = os.sched_getaffinity(0) - {core}
        for helper in helpers() if others else ():
            if helper is not None:
                with contextlib.suppress(OSError):  # a thread or a core that is no longer there
                    os.sched_setaffinity(helper, others)
        self.core = core
