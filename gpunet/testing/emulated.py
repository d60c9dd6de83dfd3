"""A stand-in for a GPU on machines without one: its arrays are NumPy's in a type of their own.

Everything above the hardware is the GPU's real path: dispatch, device rules, uploads and downloads, and launches of our
kernels, which run under the emulation. What CuPy would compute is left to NumPy and counted as not emulated. As with
CuPy, a NumPy array that meets a device array by accident is an error, and of several GPUs one is the current one, where
new arrays are made and where CuPy's functions want their operands.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from gpunet.backend import devices
from gpunet.backend.cuda import load, make_facade, make_namespace
from gpunet.backend.cuda.runtime import register_runtime
from gpunet.backend.portable import portable
from gpunet.backend.primitive import ArrayBackend, register_backend, unregister_backend
from gpunet.testing.emulation import EmulatedRuntime, why_not

_VIEWS = {"broadcast_to", "expand_dims", "flip", "moveaxis", "reshape", "squeeze", "swapaxes", "transpose"}
_COUNTED_METHODS = "argmax argmin argsort astype clip copy cumprod cumsum fill nonzero prod repeat round take".split()
_MOST_GPUS = 8
_places = [SimpleNamespace(id=index) for index in range(_MOST_GPUS)]  # what `cupy.ndarray.device` is
_not_emulated: Counter[str] = Counter()


class _Current(threading.local):
    index = 0


_current = _Current()


class DeviceArray(np.ndarray):
    """An array of a stand-in GPU. It mixes with Python numbers and arrays of the same GPU only."""

    index = 0  # of its GPU

    def __array_finalize__(self, source):
        self.index = source.index if isinstance(source, DeviceArray) else _current.index

    @property
    def device(self) -> SimpleNamespace:  # type: ignore[override]
        """Where it is, as CuPy's arrays say it."""
        return _places[self.index]

    def get(self) -> np.ndarray:
        """A copy on the host."""
        return np.array(self)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        _not_emulated[ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"] += 1
        inputs = tuple(map(_bare, inputs))
        if out is not None:
            kwargs["out"] = tuple(map(_bare, out))
        if isinstance(kwargs.get("where"), np.ndarray):
            kwargs["where"] = _bare(kwargs["where"])
        result = getattr(ufunc, method)(*inputs, **kwargs)
        return out[0] if out is not None and len(out) == 1 else _on_device(result)

    def __array_function__(self, function, types, args, kwargs):
        if function.__name__ in _VIEWS:
            with _on(next(a for a in args if isinstance(a, DeviceArray)).index):
                return _on_device(function(*map(_bare_nested, args), **kwargs))
        _not_emulated[function.__name__] += 1
        return _on_device(function(*map(_bare_nested, args), **{k: _bare_nested(v) for k, v in kwargs.items()}))

    def __getitem__(self, index):
        if _gathers(index):
            _not_emulated["getitem"] += 1
        found = super().__getitem__(_bare_nested(index))
        if isinstance(found, np.generic):  # CuPy's is a view of no axes
            found = super().__getitem__((*index, ...) if isinstance(index, tuple) else (index, ...))
        return _on_device(found)

    def __setitem__(self, index, value):
        _not_emulated["setitem"] += 1
        super().__setitem__(_bare_nested(index), _bare(value))


def _counted(name: str) -> Any:
    method = getattr(np.ndarray, name)

    def call(self, *args, **kwargs):
        _not_emulated[name] += 1
        return _on_device(method(_bare(self), *map(_bare, args), **{k: _bare(v) for k, v in kwargs.items()}))

    return call


for _name in _COUNTED_METHODS:
    setattr(DeviceArray, _name, _counted(_name))


def _gathers(index: Any) -> bool:
    """True for an index that CuPy computes with, not only slices."""
    return any(isinstance(i, np.ndarray | list) for i in (index if isinstance(index, tuple) else (index,)))


def _bare(x: Any) -> Any:
    """The NumPy view of a device array; an error for an array of the host or of a GPU that is not the current one."""
    if isinstance(x, DeviceArray):
        if x.index != _current.index:
            raise ValueError(f"array device must be the current one: array on {x.index}, current {_current.index}")
        return x.view(np.ndarray)
    if isinstance(x, np.ndarray):
        raise TypeError(f"a NumPy array of shape {x.shape} met an array of the GPU: copy it there first")
    return x


def _bare_nested(x: Any) -> Any:
    return type(x)(map(_bare_nested, x)) if isinstance(x, list | tuple) else _bare(x)


def _on_device(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(_on_device, x))
    if isinstance(x, DeviceArray):
        return x
    return np.asarray(x).view(DeviceArray) if isinstance(x, np.ndarray | np.generic) else x


def _namespace() -> SimpleNamespace:
    """The facade over NumPy, with functions that make arrays making them on the device."""
    xp = make_facade(np) if why_not() else make_namespace(np)
    for name in ("arange", "full"):
        setattr(xp, name, _computing(getattr(np, name)))
    xp.zeros = lambda shape, dtype=float: np.zeros(shape, dtype).view(DeviceArray)
    xp.empty = _poisoned
    xp.asarray = lambda x, dtype=None: np.array(x, dtype=dtype).view(DeviceArray)
    return xp


def _computing(function):
    def make(*args, **kwargs):
        _not_emulated[function.__name__] += 1
        return function(*args, **kwargs).view(DeviceArray)

    return make


def _poisoned(shape, dtype=float) -> DeviceArray:
    """Memory full of ones in every bit: NaN, or −1."""
    array = np.empty(shape, dtype)
    if array.size:
        array.reshape(-1).view(np.uint8)[...] = 1 if array.dtype == bool else 0xFF
    return array.view(DeviceArray)


@contextmanager
def _on(index: int) -> Iterator[None]:
    before, _current.index = _current.index, index
    try:
        yield
    finally:
        _current.index = before


class _Runtime(EmulatedRuntime):
    """The emulation with a current GPU."""

    def on(self, index):
        return _on(index)


class EmulatedGpu(devices.Device):
    """The device "gpu:0" of an `emulated_gpu` block, and what happened on it.

    Attributes:
        launches: how often each of our kernels ran, by name.
        not_emulated: how often CuPy would have been asked for something, by the name of the function.
    """

    __slots__ = ("launches", "not_emulated")

    def __init__(self, launches: Counter[str], not_emulated: Counter[str]):
        super().__init__("gpu", 0)
        self.launches = launches
        self.not_emulated = not_emulated

    def forget(self) -> None:
        """Start counting anew."""
        self.launches.clear()
        self.not_emulated.clear()


class EmulatedGraph:
    """What `CupyGraph` is on a GPU: the second run is captured, later ones repeat its launches and nothing else.

    Attributes:
        captured: the launches, none before the capture.
        obstacle: what CuPy would have been asked for meanwhile: its kernels cannot be noted here.
    """

    def __init__(self, runtime: EmulatedRuntime, array: Any):
        self.runtime = runtime
        self.runs = 0
        self.captured: list[tuple] = []
        self.results: Any = None
        self.obstacle: str | None = None

    def run(self, function: Callable[[], Any]) -> Any:
        """The function's results."""
        self.runs += 1
        if self.runs == 2:
            self._capture(function)
        if self.runs == 1 or self.obstacle:
            return function()
        for launch in self.captured:
            self.runtime.launch(*launch)
        return self.results

    def _capture(self, function: Callable[[], Any]) -> None:
        before = Counter(_not_emulated)
        self.runtime.captured = self.captured
        try:
            self.results = function()
        finally:
            self.runtime.captured = None
        if _not_emulated != before:
            self.obstacle = f"CuPy is asked for {', '.join(_not_emulated - before)}"


@contextmanager
def emulated_gpu(schedule: int = 0, check_races: bool = True, gpus: int = 1) -> Iterator[EmulatedGpu]:
    """A device "gpu:0" that exists inside the block and is the default there.

    Without a C++ compiler there is no emulation, and NumPy does everything.

    Args:
        schedule: the order in which the threads of a block run: 0 in turn, 1 in reverse, 2 shuffled, 3 one warp as far
            as it can get.
        check_races: report races on shared memory and reads of shared memory that was not written. Slower.
        gpus: how many there are, "gpu:0", "gpu:1" and so on, 8 at most.
    """
    providers = [portable] if why_not() else [load(), portable]
    runtime = _Runtime(schedule, check_races)
    graph = None if why_not() else functools.partial(EmulatedGraph, runtime)
    backend = ArrayBackend(DeviceArray, _namespace(), providers, graph)
    register_backend(backend)
    runtime_before = register_runtime(DeviceArray, runtime)
    backend_before, count_before = devices.replace_gpu(backend, gpus)
    gpu = EmulatedGpu(runtime.launches, _not_emulated)
    gpu.forget()
    try:
        with gpu:
            yield gpu
    finally:
        devices.replace_gpu(backend_before, count_before)
        register_runtime(DeviceArray, runtime_before)
        unregister_backend(DeviceArray)
        if backend_before is not None and backend_before.array_type is DeviceArray:
            register_backend(backend_before)  # a block inside another
