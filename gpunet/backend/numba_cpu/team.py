"""Calling machine code: in one thread, or shared by those of OpenMP, which oneDNN has at work anyway.

Two pools of threads fight for the cores, since idle ones spin for a while. On the libgomp of oneDNN a parallel region
costs 2 µs; without it, one thread is mostly as quick.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpunet import config
from gpunet.backend.cpu.cores import Distance
from gpunet.backend.cpu.threads import mark_parallel
from gpunet.backend.numba_cpu.machine_code import Argument

library: Any = None  # the module that finds oneDNN, which sets this; not imported, as that package calls loops as well
_SMALL = 1 << 15  # items: below it one thread is as quick
_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_LOOK, _COUNT_ANEW = 0.002, 1.0  # seconds between two looks at where threads are, and at which threads there are
_BINDING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY")  # in the environment: OpenMP places its threads itself
_SCALARS = {"intp": "q", "float32": "f4x", "float64": "d", "int32": "i4x"}  # in a word of 8 bytes


class OpenMP(NamedTuple):
    """`parallel(function, data, threads, 0)` of libgomp's, and where the functions are that machine code calls."""

    parallel: Any
    symbols: dict[str, int]


@functools.cache
def openmp() -> OpenMP | None:
    """That of oneDNN's library; None where it has none."""
    found = library.find() if library is not None else None
    if found is None:
        return None
    try:
        functions = {name: getattr(found.calls, name) for name in ("omp_get_thread_num", "omp_get_num_threads")}
        parallel = found.calls.GOMP_parallel
    except AttributeError:  # other threads, or none
        return None
    parallel.argtypes, parallel.restype = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint], None
    return OpenMP(parallel, {name: ctypes.cast(f, ctypes.c_void_p).value or 0 for name, f in functions.items()})


def parts(items: int) -> int:
    """Into how many parts to split a loop over `items`; always 1 in a forked child, where OpenMP cannot run."""
    if items < _SMALL or "onednn" not in config.cpu_providers() or openmp() is None or not library.is_usable():
        return 1
    return min(config.threads() or _cores, _cores)


class _Team(threading.local):
    """OpenMP's threads that help the calling thread."""

    def __init__(self) -> None:
        self.distance = Distance()
        self.looked = self.counted = 0.0

    def look(self, now: float) -> None:
        """Keep them off the caller's core. OpenMP may have others by now: it ends some for a smaller region."""
        self.looked = now
        if now - self.counted > _COUNT_ANEW:
            self.counted, self.distance = now, Distance()
        self.distance.keep(_helpers)


_team = _Team()


def _helpers() -> set[int]:
    """The system's numbers of OpenMP's threads for the calling one."""
    found: set[int] = set()
    team = openmp()
    if team is not None and not any(os.environ.get(name) for name in _BINDING):
        note = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: found.add(threading.get_native_id()))
        team.parallel(ctypes.cast(note, ctypes.c_void_p), None, min(config.threads() or _cores, _cores), 0)
    return found - {threading.get_native_id()}


def mark_team() -> None:
    """Say that OpenMP's threads were at work, as `mark_parallel`, and see from time to time where they are."""
    mark_parallel()
    now = time.perf_counter()
    if now - _team.looked > _LOOK:
        _team.look(now)


class Code:
    """A loop's machine code, to call with arrays and scalars.

    Args:
        address: of a C function of its arguments in words, as `machine_code` makes it.
        arguments: what it takes, the number of parts included.
        openmp: whose threads share the parts; None for one thread.
    """

    def __init__(self, address: int, arguments: Sequence[Argument], openmp: OpenMP | None):
        self._address = address
        self._alone = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(address)  # without the GIL
        self._parallel = None if openmp is None else openmp.parallel
        self._dtypes = [np.dtype(a.dtype) if a.axes else None for a in arguments[:-1]]
        self._formats = ["Q" + "q" * a.axes if a.axes else _SCALARS[a.dtype] for a in arguments]
        self._pack = struct.Struct("=" + "".join(self._formats)).pack
        self._calls: dict[int, Callable[..., None]] = {}

    def for_parts(self, count: int) -> Callable[..., None]:
        """The code as a function of all arguments but `parts`."""
        call = self._calls.get(count)
        if call is None:
            call = self._calls[count] = functools.partial(self._run, count if self._parallel is not None else 1)
        return call

    def _run(self, count: int, *values: Any) -> None:
        words = self.words(count, *values)
        if count == 1 or self._parallel is None:
            self._alone(words)
        else:
            self._parallel(self._address, words, count, 0)
            mark_team()

    def bound(self, count: int, *values: Any) -> tuple[Callable[[], None], Callable[[int, float], None]]:
        """A call on these very arguments, which must stay where they are, and `set(number, value)` of a scalar."""
        words = ctypes.create_string_buffer(self.words(count, *values))
        alone, parallel, address, formats = self._alone, self._parallel, self._address, self._formats

        def run(_owned=values):
            if count == 1 or parallel is None:
                alone(words)
            else:
                parallel(address, words, count, 0)
                mark_team()

        def set_(number, value):
            struct.pack_into("=" + formats[number], words, offsets[number], value)

        offsets = [struct.calcsize("=" + "".join(formats[:i])) for i in range(len(formats))]
        return run, set_

    def words(self, count: int, *values: Any) -> bytes:
        """The arguments as the code reads them.

        Raises:
            TypeError: if an array is not of the signature's dtype, or not contiguous.
        """
        found: list[Any] = []
        for value, dtype in zip(values, self._dtypes, strict=True):
            if dtype is None:
                found.append(value)
                continue
            if value.dtype != dtype or not value.flags.c_contiguous:
                raise TypeError(f"expected a contiguous array of {dtype}. Received: {value.dtype}, {value.strides}")
            found.append(value.__array_interface__["data"][0])
            found += value.shape
        return self._pack(*found, count)
