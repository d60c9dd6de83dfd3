"""A stand-in for a GPU on machines without one: its arrays are NumPy's in a type of their own.

Everything above the hardware is the GPU's real path: dispatch, device rules, uploads and downloads, and the listed
facade of CuPy functions. As with CuPy, a NumPy array that meets a device array by accident is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from gpunet.backend import devices
from gpunet.backend.cuda import cuda
from gpunet.backend.cuda.facade import make_facade
from gpunet.backend.portable import portable
from gpunet.backend.primitive import ArrayBackend, register_backend, unregister_backend


class DeviceArray(np.ndarray):
    """An array of the stand-in GPU. It mixes with Python numbers and other device arrays only."""

    def get(self) -> np.ndarray:
        """A copy on the host."""
        return np.array(self)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        inputs = tuple(map(_bare, inputs))
        if out is not None:
            kwargs["out"] = tuple(map(_bare, out))
        if isinstance(kwargs.get("where"), np.ndarray):
            kwargs["where"] = _bare(kwargs["where"])
        result = getattr(ufunc, method)(*inputs, **kwargs)
        return out[0] if out is not None and len(out) == 1 else _on_device(result)

    def __array_function__(self, function, types, args, kwargs):
        return _on_device(function(*map(_bare_nested, args), **{k: _bare_nested(v) for k, v in kwargs.items()}))

    def __getitem__(self, index):
        return _on_device(super().__getitem__(_bare_nested(index)))

    def __setitem__(self, index, value):
        super().__setitem__(_bare_nested(index), _bare(value))


def _bare(x: Any) -> Any:
    """The NumPy view of a device array; an error for an array of the host."""
    if isinstance(x, DeviceArray):
        return x.view(np.ndarray)
    if isinstance(x, np.ndarray):
        raise TypeError(f"a NumPy array of shape {x.shape} met an array of the GPU: copy it there first")
    return x


def _bare_nested(x: Any) -> Any:
    return type(x)(map(_bare_nested, x)) if isinstance(x, list | tuple) else _bare(x)


def _on_device(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(_on_device, x))
    return np.asarray(x).view(DeviceArray) if isinstance(x, np.ndarray | np.generic) else x


def _namespace() -> SimpleNamespace:
    """The facade over NumPy, with functions that make arrays making them on the device."""
    xp = make_facade(np)
    for name in ("arange", "empty", "full", "zeros"):
        setattr(xp, name, _making(getattr(np, name)))
    xp.asarray = lambda x, dtype=None: np.array(x, dtype=dtype).view(DeviceArray)
    return xp


def _making(function):
    return lambda *args, **kwargs: function(*args, **kwargs).view(DeviceArray)


@contextmanager
def emulated_gpu() -> Iterator[devices.Device]:
    """A device "gpu:0" that exists inside the block and is the default there."""
    backend = ArrayBackend(DeviceArray, _namespace(), [cuda, portable])
    register_backend(backend)
    devices.replace_gpu(backend)
    try:
        with devices.device("gpu:0") as gpu:
            yield gpu
    finally:
        devices.replace_gpu(None)
        unregister_backend(DeviceArray)
