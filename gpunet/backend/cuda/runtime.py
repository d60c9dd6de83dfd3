"""Compiling and running kernels: a runtime for each type of array. CuPy's is here, the emulation registers its own."""

from __future__ import annotations

import functools
import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gpunet.backend import cupy_gate
from gpunet.backend.cuda.source import stripped

if TYPE_CHECKING:
    from gpunet.backend.cuda.launcher import Kernel, Specialisation


class Runtime(Protocol):
    """What the launcher needs of a device."""

    def launch(
        self, kernel: Kernel, grid: tuple[int, int, int], block: tuple[int, int, int], arguments: list[Any]
    ) -> None:
        """Run a kernel on checked arguments: arrays, NumPy scalars, packed structs, None."""

    def compile(self, specialisation: Specialisation) -> None:
        """Compile its kernels for the current device, or find them in the cache."""

    def scope(self, array: Any) -> AbstractContextManager:
        """A context in which new arrays are made where `array` is."""

    def on(self, index: int) -> AbstractContextManager:
        """A context in which new arrays are made on the GPU of that number."""

    def synchronize(self) -> None:
        """Wait for what was launched on the current stream of the current GPU."""

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
    return runtime_for(type(array))


def runtime_for(array_type: type) -> Runtime:
    """The runtime for arrays of a type; raises TypeError as `runtime_of` does."""
    try:
        return _runtimes[array_type]
    except KeyError:
        raise TypeError(f"kernels run on arrays of a GPU. Received: {array_type}") from None


_NO_RANGE = nullcontext()
_NULL = np.uint64(0)  # CuPy has versions that make another address of None


class _NvtxRange:
    """A named range in NVIDIA's profilers."""

    def __init__(self, nvtx: Any, name: str):
        self.nvtx = nvtx
        self.name = name

    def __enter__(self):
        self.nvtx.RangePush(self.name)

    def __exit__(self, *exc):
        self.nvtx.RangePop()


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
        with self.on(device):
            if function is None:
                function = self._functions[kernel, device] = self.function(kernel)
            with self._range(kernel.name):
                function(grid, block, tuple(_NULL if a is None else a for a in arguments))

    def _range(self, name: str) -> AbstractContextManager:
        return _NvtxRange(self.cupy.cuda.nvtx, name) if self._ranges else _NO_RANGE

    def compile(self, specialisation):
        for kernel in specialisation.kernels().values():
            self.function(kernel)

    def function(self, kernel: Kernel) -> Any:
        """The compiled kernel on the current device, held so that a launch looks nothing up."""
        module = self._modules.get(kernel.specialisation)
        if module is None:
            code = stripped(kernel.specialisation.text())  # CuPy writes it to a file in the locale's encoding
            module = self.cupy.RawModule(code=code, options=("-std=c++17",), backend="nvrtc")
            self._modules[kernel.specialisation] = module
        return module.get_function(kernel.name).kernel

    def scope(self, array):
        return self.on(array.device.id)

    def on(self, index):
        current = self.cupy.cuda.runtime.getDevice()
        return nullcontext() if current == index else self.cupy.cuda.Device(index)

    def synchronize(self):
        self.cupy.cuda.get_current_stream().synchronize()

    def multiprocessors(self):
        return _multiprocessors(self.cupy, self.cupy.cuda.runtime.getDevice())


@functools.cache
def _multiprocessors(cupy: Any, device: int) -> int:
    return cupy.cuda.runtime.getDeviceProperties(device)["multiProcessorCount"]
