"""Splitting work over the batch between the caller and a few threads, with BLAS held to one thread meanwhile.

NumPy's copies, ufuncs and products release the GIL, so two halves of a convolution run on two cores. BLAS would fight
for the same cores, so it is limited to one thread while the parts run and restored afterwards.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import queue
import threading
import time
from collections.abc import Callable

import numpy as np

from gpunet import config


@functools.cache
def _blas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """(get, set) of the number of threads of the OpenBLAS that NumPy brought along, or None."""
    folder = os.path.join(os.path.dirname(os.path.dirname(np.__file__)), "numpy.libs")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in names:
        if "openblas" not in name:
            continue
        library = ctypes.CDLL(os.path.join(folder, name))
        for prefix, suffix in (("scipy_openblas", "64_"), ("openblas", "64_"), ("openblas", "")):
            get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
            set_ = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
            if get is not None and set_ is not None:
                return get, set_
    return None


_RECENT = 0.05  # seconds


class _OneBlasThread:
    """Limits BLAS to one thread while any thread is inside; the last one out restores the number."""

    def __init__(self):
        self.lock = threading.Lock()
        self.inside = 0
        self.before = 1

    def __enter__(self):
        get, set_ = _blas()
        with self.lock:
            if self.inside == 0:
                self.before = get()
                set_(1)
            self.inside += 1

    def __exit__(self, *exc):
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                _blas()[1](self.before)


_one_blas_thread = _OneBlasThread()
_last_parallel = [0.0]


def mark_parallel() -> None:
    """Say that other threads than BLAS's are at work: those of a split or of OpenMP."""
    _last_parallel[0] = time.perf_counter()


ONE_THREAD = 1 << 18  # multiplications up to which OpenBLAS uses one thread of its own accord
_as_it_is = contextlib.nullcontext()


def blas_threads(multiplications: int):
    """A context for products beside other threads: one BLAS thread if those were at work a moment ago.

    BLAS's own threads spin for milliseconds after a product, on the cores that the next split wants.
    """
    if multiplications <= ONE_THREAD or time.perf_counter() - _last_parallel[0] > _RECENT or _blas() is None:
        return _as_it_is
    return _one_blas_thread


def _set_blas_threads() -> None:
    """Give BLAS the number of threads that the user asked for."""
    blas = _blas()
    if blas is not None:
        with _one_blas_thread.lock:
            _one_blas_thread.before = thread_count()
            if _one_blas_thread.inside == 0:
                blas[1](thread_count())


config.observe("threads", _set_blas_threads)


class _Workers:
    """Daemon threads that run functions from a queue, started on first use and again in a forked child."""

    def __init__(self):
        self.lock = threading.Lock()
        self.pid = -1
        self.count = 0
        self.tasks: queue.SimpleQueue = queue.SimpleQueue()

    def ensure(self, count: int) -> None:
        with self.lock:
            if self.pid != os.getpid():
                self.pid, self.count, self.tasks = os.getpid(), 0, queue.SimpleQueue()
            while self.count < count:
                threading.Thread(target=self._serve, args=(self.tasks,), daemon=True, name="gpunet-cpu").start()
                self.count += 1

    @staticmethod
    def _serve(tasks: queue.SimpleQueue) -> None:
        _inside.flag = True
        while True:
            function, start, stop, done = tasks.get()
            try:
                function(start, stop)
                done.put(None)
            except BaseException as error:  # handed to the caller, who raises it
                done.put(error)
            function = None


_workers = _Workers()
_inside = threading.local()


def _forget_other_threads() -> None:
    """In a forked child: nobody is there to give back what other threads held."""
    if _one_blas_thread.inside:
        _blas()[1](_one_blas_thread.before)  # type: ignore[index]
        _one_blas_thread.inside = 0
    _one_blas_thread.lock, _workers.lock = threading.Lock(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)


@functools.cache
def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count() -> int:
    """How many threads a split uses: what the user has set, else the cores of this process, at most 8."""
    return config.threads() or min(8, _cores())


def split(function: Callable[[int, int], None], count: int, work: int) -> None:
    """Run `function(start, stop)` over ranges that cover `count` items, in several threads if the work is worth it.

    Args:
        function: writes its results into disjoint parts of shared arrays.
        work: bytes touched or a comparable number; below 1 MiB the caller does all of it.
    """
    parts = min(thread_count(), count)
    if parts < 2 or work < 1 << 20 or getattr(_inside, "flag", False) or _blas() is None:
        function(0, count)
        return
    _workers.ensure(parts - 1)
    mark_parallel()
    bounds = [count * i // parts for i in range(parts + 1)]
    done: queue.SimpleQueue = queue.SimpleQueue()
    with _one_blas_thread:
        for i in range(1, parts):
            _workers.tasks.put((function, bounds[i], bounds[i + 1], done))
        errors: list[BaseException | None] = []
        try:
            function(bounds[0], bounds[1])
        finally:
            errors = [done.get() for _ in range(parts - 1)]
    for error in errors:
        if error is not None:
            raise error
