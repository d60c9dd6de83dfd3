"""`Tensor`: an array and, where a tape recorded how it was computed, its node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gpunet.autograd.watching import cannot_record
from gpunet.autograd.watching import state as watching
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.devices import Device, as_array, copied, device_of, to_host

if TYPE_CHECKING:
    from gpunet.autograd.operator_types import MethodTypes, OperatorTypes

    class _Attached(OperatorTypes["Tensor"], MethodTypes["Tensor"]):
        array: Any
else:
    _Attached = object


class Tensor(_Attached):
    """An immutable value on one device: `Tensor(value, dtype=None, device=None)`.

    A NumPy or CuPy array is wrapped without a copy: change it afterwards and the tensor changes too.
    Operators, indexing, NumPy functions (`np.exp(t)`) and DLPack work; `.array` is the raw array.

    Args:
        value: numbers, nested lists, a NumPy or CuPy array or a Tensor.
        dtype: result dtype; Python floats become `floatx()` and integers int32 where it is None.
        device: where to put Python data; arrays stay where they are unless it is given.
    """

    __slots__ = ("__weakref__", "_keras_mask", "_node", "array")

    def __init__(self, value: Any, dtype: Any = None, device: Device | None = None):
        if isinstance(value, Tensor):
            value = value.array
        self.array = as_array(value, dtype, device)
        self._node: list | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def size(self) -> int:
        return self.array.size

    @property
    def device(self) -> Device:
        return device_of(self.array)

    def numpy(self) -> np.ndarray:
        """A NumPy copy of the values."""
        return np.array(to_host(self.concrete()))

    def concrete(self) -> Any:
        """The raw array; raises TypeError while shapes are being inferred and there is no data."""
        if watching.trace is not None:
            cannot_record(f"the values of a tensor of shape {self.shape} are read by Python code")
        if type(self.array) is AbstractArray:
            self.array.__array__()
        return self.array

    def detach(self) -> Tensor:
        """The same value without its history."""
        return wrap(self.array)

    def item(self) -> int | float | bool:
        """The single value as a Python number; raises ValueError if there are more."""
        if self.size != 1:
            raise ValueError(f"only a tensor with one element is a number. Received: shape={self.shape}")
        return to_host(self.concrete()).item()

    def tolist(self) -> Any:
        return to_host(self.concrete()).tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        value = self.item()
        if not isinstance(value, int):
            raise TypeError(f"only integer tensors can be used as an index. Received: dtype={self.dtype}")
        return value

    def __bool__(self) -> bool:
        return bool(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item() if self.size == 1 and spec else str(self), spec)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a scalar tensor has no length")
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(to_host(self.concrete()), dtype=dtype, copy=copy)

    def __dlpack__(self, **kwargs):
        return self.concrete().__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.concrete().__dlpack_device__()

    @property
    def __cuda_array_interface__(self):
        return self.array.__cuda_array_interface__

    def __deepcopy__(self, memo) -> Tensor:
        return wrap(copied(self.concrete()))

    def __reduce__(self):
        return Tensor, (self.numpy(),)

    def __repr__(self) -> str:
        kind = type(self).__name__
        if type(self.array) is AbstractArray:
            return f"{kind}(shape={self.shape}, dtype={self.dtype.name}, no data)"
        return f"{kind}({self._values()}, dtype={self.dtype.name}, device={self.device.name!r})"

    def _values(self) -> str:
        return np.array2string(to_host(self.array), separator=", ", threshold=100, prefix="Tensor(")

    # Comparisons are elementwise (gpunet.ops attaches the operators), so a tensor is hashed by identity.
    __hash__ = object.__hash__


_new = object.__new__


def wrap(array: Any, node: list | None = None) -> Tensor:
    """A Tensor around a raw array, without conversion."""
    tensor = _new(Tensor)
    tensor.array = array
    tensor._node = node
    return tensor


def raw(value: Any) -> Any:
    """The raw array of a Tensor or Variable; anything else as it is."""
    return value.array if isinstance(value, Tensor) else value
