"""Compiling and running kernels: a runtime for each type of array. CuPy's is here, the emulation registers its own."""

from __future__ import annotations

import functools
import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from gpunet.backend import cupy_gate

if TYPE_CHECKING:
    from gpunet.backend.cuda.launcher import Kernel, Specialisation


class Runtime(Protocol):
    """What the launcher needs of a device."""

    def launch(
        self, kernel: Kernel, grid: tuple[int, int, int], block: tuple[int, int, int], arguments: list[Any]
    ) -> None:
        """Run a kernel on checked arguments: arrays, NumPy scalars, packed structs, None."""

    def scope(self, array: Any) -> AbstractContextManager:
        """A context in which new arrays are made where `array` is."""

    def multiprocessors(self) -> int:
        """How many blocks run at once at least: the device's multiprocessors."""


_runtimes: dict[type, Runtime] = {}


def register_runtime(array_type: type, runtime: Runtime | None) -> Runtime | None:
    """Let `runtime` run kernels on arrays of a type, None forgets it; return the one before."""
    before = _runtimes.get(array_type)
    if runtime is None:
        _runtimes.pop(array_type, None)
    else:
        _runtimes[array_type] = runtime
    return before


def runtime_of(array: Any) -> Runtime:
    """The runtime for an array.

    Raises:
        TypeError: if no kernel can run on arrays of its type.
    """
    try:
        return _runtimes[type(array)]
    except KeyError:
        raise TypeError(f"kernels run on arrays of a GPU. Received: {type(array)}") from None


class CupyRuntime:
    """Compiles through CuPy, which keeps a cache on disk, and launches on CuPy's current stream.

    With the environment variable `GPUNET_NVTX` set, each launch is a range that NVIDIA's profilers show.
    """

    def __init__(self):
        self.cupy = cupy_gate.probe().cupy
        self._functions: dict[tuple[Kernel, int], Any] = {}
        self._modules: dict[Specialisation, Any] = {}
        self._ranges = bool(os.environ.get("GPUNET_NVTX"))

    def launch(self, kernel, grid, block, arguments):
        device = next(a.device.id for a in arguments if isinstance(a, self.cupy.ndarray))
        function = self._functions.get((kernel, device))
        with self._on(device):
            if function is None:
                function = self._functions[kernel, device] = self.function(kernel)
            if self._ranges:
                with self.cupy.cuda.nvtx.profile_range(kernel.name):
                    function(grid, block, tuple(arguments))
            else:
                function(grid, block, tuple(arguments))

    def function(self, kernel: Kernel) -> Any:
        """The compiled kernel on the current device, held so that a launch looks nothing up."""
        module = self._modules.get(kernel.specialisation)
        if module is None:
            module = self.cupy.RawModule(code=kernel.specialisation.text(), options=("-std=c++17",), backend="nvrtc")
            self._modules[kernel.specialisation] = module
        return module.get_function(kernel.name).kernel

    def scope(self, array):
        return self._on(array.device.id)

    def _on(self, device: int) -> AbstractContextManager:
        current = self.cupy.cuda.runtime.getDevice()
        return nullcontext() if current == device else self.cupy.cuda.Device(device)

    def multiprocessors(self):
        return _multiprocessors(self.cupy, self.cupy.cuda.runtime.getDevice())


@functools.cache
def _multiprocessors(cupy: Any, device: int) -> int:
    return cupy.cuda.runtime.getDeviceProperties(device)["multiProcessorCount"]
