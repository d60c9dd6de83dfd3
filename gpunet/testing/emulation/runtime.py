"""The emulation as a runtime: what the launcher calls in place of CuPy."""

from __future__ import annotations

import ctypes
import functools
import threading
from collections import Counter
from contextlib import nullcontext
from typing import Any

import numpy as np

from gpunet.backend.cuda.launcher import Specialisation
from gpunet.testing.emulation.build import build

SCHEDULES = {0: "in turn", 1: "reverse", 2: "shuffled", 3: "one warp as far as it gets"}
_LOCK = threading.Lock()  # a library runs one grid at a time


class EmulationError(RuntimeError):
    """A kernel did something that is an error, or undefined, on a GPU."""


@functools.cache
def _library(specialisation: Specialisation) -> ctypes.CDLL:
    signatures = [kernel.signature for kernel in specialisation.kernels().values()]
    return build(specialisation.text(), signatures)


class EmulatedRuntime:
    """Runs kernels on NumPy's memory.

    Attributes:
        launches: how often each kernel was launched, by name.
    """

    def __init__(self, schedule: int = 0, check_races: bool = True, seed: int = 1):
        if schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {SCHEDULES}. Received: {schedule!r}")
        self.schedule = schedule
        self.check_races = check_races
        self.seed = seed
        self.launches: Counter[str] = Counter()
        self.captured: list[tuple] | None = None  # launches that a graph notes instead of their being run

    def launch(self, kernel, grid, block, arguments):
        """Run a kernel, or note it while a graph is captured.

        Raises:
            EmulationError: at the first thing that is wrong, with kernel, block and thread.
        """
        if self.captured is not None:
            self.captured.append((kernel, grid, block, arguments))
            return
        function = _library(kernel.specialisation)[f"emu_{kernel.name}"]
        function.restype = ctypes.c_char_p
        holders = [_holder(value) for value in arguments]
        pointers = (ctypes.c_void_p * len(holders))(*(ctypes.addressof(h) for h in holders))
        sizes = ctypes.c_uint * 3
        self.launches[kernel.name] += 1
        with _LOCK:
            error = function(
                sizes(*grid),
                sizes(*block),
                self.schedule,
                int(self.check_races),
                ctypes.c_ulonglong(self.seed),
                pointers,
            )
        if error is not None:
            raise EmulationError(error.decode())

    def compile(self, specialisation):
        _library(specialisation)

    def scope(self, array):
        return self.on(array.device.id)

    def on(self, index):
        return nullcontext()  # there is one GPU, and it is the current one

    def synchronize(self):
        """Nothing: launches return when they are done."""

    def multiprocessors(self):
        return 2  # few, so that loops over the grid take more than one step


def _holder(value: Any) -> Any:
    """C memory with an argument: the pointer and the bounds of an array, or a value's bytes."""
    if value is None:
        return (ctypes.c_void_p * 3)()
    if isinstance(value, np.ndarray) and value.dtype.names is None:
        low, high = np.lib.array_utils.byte_bounds(value) if value.size else (value.ctypes.data,) * 2
        return (ctypes.c_void_p * 3)(value.ctypes.data, low, high)
    return ctypes.create_string_buffer(value.tobytes(), max(value.nbytes, 1))
