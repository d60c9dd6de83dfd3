"""Splitting work over the batch between the caller and a few threads, with BLAS held to one thread meanwhile.

NumPy's copies, ufuncs and products release the GIL, so two halves of a convolution run on two cores. BLAS would fight
for the same cores, so it is limited to one thread while the parts run and restored afterwards.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import threading
from collections.abc import Callable

from gpunet import config
from gpunet.backend.cpu.blas import threads as _blas
from gpunet.backend.cpu.cores import Distance


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
_shares_cores = [False]


def mark_parallel() -> None:
    """Say that other threads than BLAS's are at work in this process: those of a split or of OpenMP.

    That holds from the first time on, however long ago it was, since sums depend on the number of BLAS's threads.
    """
    _shares_cores[0] = True


# Multiplications up to which OpenBLAS uses one thread of its own accord: of two matrices, and with a vector.
ONE_THREAD, ONE_THREAD_VECTOR = 1 << 18, 9215
_as_it_is = contextlib.nullcontext()


def blas_threads(multiplications: int, limit: int = ONE_THREAD):
    """A context for products beside other threads: one BLAS thread if there are any.

    BLAS's own threads spin for milliseconds after a product, on the cores that the next split wants.
    """
    if multiplications <= limit or not _shares_cores[0] or _blas() is None:
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
    """Daemon threads that run functions from a queue, started on first use and again in a forked child.

    They keep off the core of the thread that wakes them.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.pid = -1
        self.threads: list[threading.Thread] = []
        self.tasks: queue.SimpleQueue = queue.SimpleQueue()
        self.distance = Distance()

    def ensure(self, count: int) -> None:
        with self.lock:
            if self.pid != os.getpid():
                self.pid, self.threads, self.tasks = os.getpid(), [], queue.SimpleQueue()
            while len(self.threads) < count:
                thread = threading.Thread(target=self._serve, args=(self.tasks,), daemon=True, name="gpunet-cpu")
                thread.start()
                self.threads.append(thread)
                self.distance = Distance()

    def keep_off(self) -> None:
        """Let the threads run on every core that the caller may use but the one on which it is."""
        self.distance.keep(lambda: [thread.native_id for thread in self.threads])

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


def _is_inside() -> bool:
    return getattr(_inside, "flag", False)


def can_share(parts: int, work: int) -> bool:
    """Whether `split` uses several threads for `work` in so many parts."""
    return min(thread_count(), parts) > 1 and work >= 1 << 20 and not _is_inside() and _blas() is not None


def has_every_core() -> bool:
    """Whether a split uses as many threads as BLAS would."""
    return config.threads() is not None or thread_count() == _cores()


def split(function: Callable[[int, int], None], count: int, work: int) -> None:
    """Run `function(start, stop)` over ranges that cover `count` items, in several threads if the work is worth it.

    Args:
        function: writes its results into disjoint parts of shared arrays.
        work: bytes touched or a comparable number; below 1 MiB the caller does all of it.
    """
    parts = min(thread_count(), count)
    if not can_share(parts, work):
        with _as_it_is if _is_inside() else blas_threads(1, 0):  # for whatever it multiplies
            function(0, count)
        return
    _workers.ensure(parts - 1)
    _workers.keep_off()
    mark_parallel()
    bounds = [count * i // parts for i in range(parts + 1)]
    done: queue.SimpleQueue = queue.SimpleQueue()
    with _one_blas_thread:
        for i in range(1, parts):
            _workers.tasks.put((function, bounds[i], bounds[i + 1], done))
        errors: list[BaseException | None] = []
        _inside.flag = True  # what the function splits in turn is not for threads that are at work already
        try:
            function(bounds[0], bounds[1])
        finally:
            _inside.flag = False
            errors = [done.get() for _ in range(parts - 1)]
    for error in errors:
        if error is not None:
            raise error
