"""The op table on real `cupy.ndarray` objects without a GPU: their memory is the host's, kernels run emulated.

What CuPy itself would compute raises an error of the missing driver and is counted; everything else has to be right:
shapes, strides, views, dtypes, flags and addresses as CuPy has them. Prints one JSON object.
"""

from __future__ import annotations

import ctypes
import json
import sys
import traceback
from typing import Any

import cupy
import numpy as np

import gpunet
from gpunet.backend import devices
from gpunet.backend.cuda import load, make_namespace
from gpunet.backend.cuda.runtime import register_runtime
from gpunet.backend.portable import portable
from gpunet.backend.primitive import ArrayBackend, register_backend
from gpunet.testing.emulation import EmulatedRuntime
from tests.op_table import FAMILIES, checks

_ALIGNMENT = 512


def allocate(size: int) -> Any:
    """Host memory in the place of the device's, which CuPy never touches by itself."""
    block = np.full(max(size, 1) + _ALIGNMENT, 0xFF, np.uint8)
    address = -(-block.ctypes.data // _ALIGNMENT) * _ALIGNMENT
    return cupy.cuda.MemoryPointer(cupy.cuda.UnownedMemory(address, size, block, 0), 0)


def on_host(array: Any) -> np.ndarray:
    """A NumPy view of a CuPy array's memory."""
    if not array.size:
        return np.empty(array.shape, array.dtype)
    reach = [step * (n - 1) for n, step in zip(array.shape, array.strides)]
    low = sum(r for r in reach if r < 0)
    size = sum(map(abs, reach)) + array.itemsize
    memory = np.frombuffer((ctypes.c_uint8 * size).from_address(array.data.ptr + low), np.uint8)
    return np.ndarray(array.shape, array.dtype, memory, -low, array.strides)


def uploaded(values: Any, dtype: Any = None) -> Any:
    """In the place of `cupy.asarray`."""
    if isinstance(values, cupy.ndarray):
        return values if dtype in (None, values.dtype) else cupy.asarray(values, dtype)
    values = np.asarray(values, dtype)
    array = cupy.empty(values.shape, values.dtype)
    on_host(array)[...] = values
    return array


def zeros(shape: Any, dtype: Any = float) -> Any:
    """In the place of `cupy.zeros`."""
    return uploaded(np.zeros(shape, dtype))


class HostRuntime(EmulatedRuntime):
    """Emulated launches on arguments that are what CuPy's launch takes."""

    def launch(self, kernel, grid, block, arguments):
        for value in arguments:
            one_struct = isinstance(value, np.ndarray) and value.size == 1
            assert value is None or one_struct or isinstance(value, cupy.ndarray | np.generic), type(value)
        given = [on_host(a) if isinstance(a, cupy.ndarray) else a for a in arguments]
        super().launch(kernel, grid, block, given)

    def scope(self, array):
        assert array.device.id == 0
        return super().scope(array)


def begin() -> HostRuntime:
    """Make "gpu:0" of CuPy's arrays and the emulation."""
    cupy.cuda.set_allocator(allocate)
    cupy.ndarray.get = lambda self, *_: np.array(on_host(self))
    xp = make_namespace(cupy)
    xp.asarray, xp.zeros = uploaded, zeros
    backend, runtime = ArrayBackend(cupy.ndarray, xp, [load(), portable]), HostRuntime(check_races=False)
    register_backend(backend)
    register_runtime(cupy.ndarray, runtime)
    devices.replace_gpu(backend)
    return runtime


def main(every: int) -> None:
    runtime, passed, left_to_cupy, failures = begin(), 0, 0, []
    device = gpunet.device("gpu:0")
    for row in (row for family in FAMILIES for row in list(family.ROWS)[::every]):
        for check in (checks.forward, checks.layouts) if row.has_inputs else ():
            try:
                check(row, device)
                passed += 1
            except cupy.cuda.runtime.CUDARuntimeError:
                left_to_cupy += 1
            except Exception:
                failures.append(f"{row.id} {check.__name__}: {traceback.format_exc()[-600:]}")
    launches = sum(runtime.launches.values())
    print(json.dumps({"passed": passed, "left to CuPy": left_to_cupy, "failures": failures, "launches": launches}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
