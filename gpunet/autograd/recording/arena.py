"""Storage that several recordings share, of which one runs at a time."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

import numpy as np

from gpunet.backend import memory
from gpunet.backend.devices import device_of

_BYTES = np.dtype("uint8")
_arenas: weakref.WeakSet[Arena] = weakref.WeakSet()


class Arena:
    """Flat memory on each device, as large as the largest program that asked for it.

    Nothing in it outlives a run, so that the steps of a model together need no more than one of them. Whoever runs a
    program in it holds `lock` and sets `running`: a thread that comes back from there must not run another.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.running = False
        self.moves = 0
        self._memory: dict[tuple, Any] = {}
        _arenas.add(self)

    def reserve(self, xp: Any, like: Any, nbytes: int) -> Any:
        """Memory for `nbytes` or more on the device of the array `like`.

        Where it has to grow, `moves` counts up, and programs from before move at their next run.
        """
        where = (type(like), device_of(like))
        held = self._memory.get(where)
        if held is not None and held.nbytes >= nbytes:
            return held
        if held is not None:
            self.moves += 1
        memory.release()  # what eager runs left behind, so that the peak is not the sum of both
        self._memory[where] = memory.lasting(xp, (nbytes,), _BYTES)
        return self._memory[where]


def _forget_other_threads() -> None:
    """In a forked child: nobody is there to give back what other threads held."""
    for arena in _arenas:
        if arena.lock.acquire(blocking=False):
            arena.lock.release()
        else:
            arena.lock, arena.running = threading.RLock(), False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)
