"""Devices as values: `device("gpu:0")`, what exists, which one new arrays go to, and moving arrays between them."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import threading
from typing import Any

import numpy as np

from gpunet import config
from gpunet.backend import cupy_gate
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.cpu import cpu
from gpunet.backend.cuda import load, make_namespace
from gpunet.backend.cuda.graphs import CupyGraph
from gpunet.backend.cuda.runtime import CupyRuntime, register_runtime, runtime_for
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.numba_cpu import numba
from gpunet.backend.onednn import onednn
from gpunet.backend.portable import portable
from gpunet.backend.primitive import (
    ArrayBackend,
    backend_of,
    is_array_type,
    register_backend,
    register_late,
)


class GPUNotAvailableError(RuntimeError):
    """A GPU was asked for and there is none; the message says why and what to install."""


class Device:
    """A place for arrays: `kind` is "cpu" or "gpu", `index` its number. Usable as a context manager.

    Inside `with gpunet.device("cpu"):` new variables and converted Python data are made there.
    """

    __slots__ = ("index", "kind", "name")

    def __init__(self, kind: str, index: int = 0):
        self.kind = kind
        self.index = index
        self.name = "cpu" if kind == "cpu" else f"gpu:{index}"

    def __repr__(self) -> str:
        return f"device({self.name!r})"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return other in (self.name, self.kind if self.index == 0 else self.name)
        return isinstance(other, Device) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __enter__(self) -> Device:
        _scopes.stack.append(self)
        return self

    def __exit__(self, *exc) -> None:
        _scopes.stack.pop()


class _Scopes(threading.local):
    def __init__(self):
        self.stack: list[Device] = []


_scopes = _Scopes()
CPU = Device("cpu")
_state: dict[str, Any] = {"default": None, "gpu": None, "gpus": 0}

_LARGE = 1 << 15  # items of a parameter that several threads update
_CPU_PROVIDERS = {provider.name: provider for provider in (onednn, numba, cpu)}  # the fastest first


def bind_cpu_providers() -> None:
    """Serve NumPy arrays by the providers that the configuration names, and `portable` behind them."""
    chosen = [_CPU_PROVIDERS[name] for name in config.cpu_providers() if name in _CPU_PROVIDERS]
    register_backend(ArrayBackend(np.ndarray, np, [*chosen, portable], large=_LARGE))


bind_cpu_providers()
config.observe("cpu_providers", bind_cpu_providers)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=bind_cpu_providers)  # providers on OpenMP cannot work in a forked child


def _register_cupy() -> ArrayBackend:
    cupy, _, reason = cupy_gate.probe()
    if cupy is None:
        raise GPUNotAvailableError(f"No GPU is available: {reason}")
    graph = functools.partial(CupyGraph, cupy)
    backend = ArrayBackend(cupy.ndarray, make_namespace(cupy), [load(), portable], graph)
    register_backend(backend)
    register_runtime(cupy.ndarray, CupyRuntime())
    return backend


register_late("cupy", _register_cupy)


def gpu_backend() -> ArrayBackend:
    """The backend of GPU arrays: CuPy's, or the stand-in that `gpunet.testing` has put in its place.

    Raises:
        GPUNotAvailableError: if there is no GPU, with the reason.
    """
    if _state["gpu"] is not None:
        return _state["gpu"]
    probe = cupy_gate.probe()
    if not probe.gpus:
        raise GPUNotAvailableError(f"No GPU is available: {probe.reason}")
    return backend_of(probe.cupy.ndarray)


def replace_gpu(backend: ArrayBackend | None, count: int = 1) -> tuple[ArrayBackend | None, int]:
    """Let `backend` stand in for `count` GPUs, None restores the real ones; return what stood in before."""
    before = _state["gpu"], _state["gpus"]
    _state.update(gpu=backend, gpus=count)
    return before


def _gpu_count() -> int:
    return _state["gpus"] if _state["gpu"] is not None else cupy_gate.probe().gpus


def device(device_name: str | Device) -> Device:
    """Return the device named "cpu", "gpu" or "gpu:N" ("cuda:N" means the same).

    Raises:
        ValueError: on another name, or an index that does not exist.
        GPUNotAvailableError: if there is no GPU, with the reason and what to install.
    """
    if isinstance(device_name, Device):
        return device_name
    match = re.fullmatch(r"/?(cpu|gpu|cuda)(?::(\d+))?", str(device_name).lower())
    if not isinstance(device_name, str) or match is None:
        raise ValueError(f'device expected "cpu" or "gpu:N". Received: {device_name!r}')
    kind, index = match[1], int(match[2] or 0)
    if kind == "cpu":
        if index:
            raise ValueError(f'The CPU is one device, "cpu". Received: {device_name!r}')
        return CPU
    gpu_backend()
    if index >= _gpu_count():
        raise ValueError(f"device expected a GPU index below {_gpu_count()}. Received: {device_name!r}")
    return Device("gpu", index)


def devices() -> list[Device]:
    """All devices that can be used now, the CPU first."""
    return [CPU, *(Device("gpu", i) for i in range(_gpu_count()))]


def default_device() -> Device:
    """Where new arrays go: the innermost `with device(...)`, else `set_default_device`'s, else GPU 0 or the CPU.

    The environment variable `GPUNET_DEVICE` names the device to start with.
    """
    if _scopes.stack:
        return _scopes.stack[-1]
    if _state["default"] is not None:
        return _state["default"]
    return device(os.environ["GPUNET_DEVICE"]) if os.environ.get("GPUNET_DEVICE") else _best_device()


def _best_device() -> Device:
    return Device("gpu", 0) if _gpu_count() else CPU


def set_default_device(spec: str | Device | None) -> None:
    """Choose where new arrays go from now on; None restores the automatic choice."""
    _state["default"] = None if spec is None else device(spec)


def backend_for(target: Device) -> ArrayBackend:
    """The array backend that lives on `target`."""
    return backend_of(np.ndarray) if target.kind == "cpu" else gpu_backend()


def device_of(array: Any) -> Device:
    """The device that holds a raw array."""
    if type(array) is np.ndarray or type(array) is AbstractArray or isinstance(array, np.generic):
        return CPU
    backend_of(type(array))
    return Device("gpu", getattr(getattr(array, "device", None), "id", 0))


def to_host(array: Any) -> np.ndarray:
    """A NumPy array with the contents of a raw array; NumPy arrays are returned as they are."""
    if type(array) is np.ndarray:
        return array
    return array.get() if hasattr(array, "get") else np.asarray(array)


def to_device(array: Any, target: Device) -> Any:
    """The raw array on `target`: itself if it is there already, else a copy."""
    if type(array) is AbstractArray or (type(array) is np.ndarray and target is CPU) or device_of(array) == target:
        return array
    backend = backend_for(target)
    if target.kind == "cpu":
        return to_host(array)
    with current_device(target):
        return backend.xp.asarray(array)


def synchronize(target: Device) -> None:
    """Wait until a device has done what was asked of it on the current stream; the CPU has."""
    with current_device(target):
        if target.kind == "gpu":
            runtime_for(gpu_backend().array_type).synchronize()


def copied(array: Any, dtype: Any = None) -> Any:
    """A copy of a raw array on its own device, in its dtype or another; CuPy's methods copy to the current device."""
    with current_device(device_of(array)):
        return array.copy() if dtype is None else array.astype(dtype)


_NO_SCOPE = contextlib.nullcontext()


def current_device(target: Device) -> contextlib.AbstractContextManager:
    """A context manager that makes the GPU `target` CuPy's current device, where new arrays are made."""
    if target.kind == "cpu":
        return _NO_SCOPE
    return runtime_for(gpu_backend().array_type).on(target.index)


def _host_array(value: Any) -> np.ndarray:
    """Python numbers and nested lists as NumPy: their floats become `floatx()`, their integers int32."""
    array = np.asarray(value)
    if array.dtype.kind not in "OUSmMcV" or array.dtype.name == "bfloat16":
        return array.astype(_python_dtype(array)) if _is_python(value) else array
    raise TypeError(f"expected numbers in a rectangular array. Received: {type(value).__name__}: {value!r:.80}")


def _is_python(value: Any) -> bool:
    while isinstance(value, list | tuple) and len(value):
        value = value[0]
    return not hasattr(value, "dtype") or isinstance(value, float)


def _python_dtype(array: np.ndarray) -> np.dtype:
    if array.dtype.kind == "f":
        return as_dtype(None)
    if array.dtype.kind in "iu" and (array.size == 0 or abs(array).max() < 2**31):
        return as_dtype("int32")
    return array.dtype


def as_array(value: Any, dtype: Any = None, target: Device | None = None) -> Any:
    """Any array-like as a raw array: arrays keep their device, Python data goes to `target` or the default device.

    Raises:
        TypeError: if the value holds no numbers.
    """
    if not is_array_type(type(value)):
        value = _host_array(value)
        target = target or default_device()
    if dtype is not None and value.dtype != as_dtype(dtype):
        value = copied(value, as_dtype(dtype))
    return value if target is None else to_device(value, target)
