"""How many threads share a loop: those of OpenMP, which oneDNN has at work anyway.

Two pools of threads fight for the cores, since idle ones spin for a while. Numba's loops can run on the same libgomp as
oneDNN, where a parallel region costs 2 µs; where they cannot, one thread is mostly as quick.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

from gpunet import config
from gpunet.backend.cpu.threads import mark_parallel
from gpunet.backend.onednn import library

_SMALL = 1 << 15  # items: below it one thread is as quick
_state = {"shares": True}  # until Numba shows that it has threads of another kind
_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parts(items: int) -> int:
    """Into how many parts to split a loop over `items`; always 1 in a forked child, where OpenMP cannot run."""
    if items < _SMALL or not _state["shares"]:
        return 1
    if "onednn" not in config.cpu_providers() or not library.is_usable():
        return 1
    return min(config.threads() or _cores, _cores)


def shared(code: Callable[..., None]) -> Callable[..., None] | None:
    """A compiled loop, its last argument the number of threads to run with; None where Numba does not use OpenMP.

    Numba's own layer of threads would end the process if two callers met in it.
    """
    numba: Any = importlib.import_module("numba")
    _state["shares"] = numba.threading_layer() == "omp"
    if not _state["shares"]:
        return None
    current, change, most = numba.get_num_threads, numba.set_num_threads, numba.config.NUMBA_NUM_THREADS

    def run(*arguments):
        before, count = current(), min(arguments[-1], most)
        if before != count:
            change(count)
        try:
            code(*arguments)
        finally:
            mark_parallel()
            if before != count:
                change(before)

    return run
