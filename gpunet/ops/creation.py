"""New tensors on a device, and conversion to and from tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.autograd.tensor import Tensor, raw, wrap
from gpunet.backend.devices import Device, backend_for, current_device, default_device, device, to_device, to_host
from gpunet.backend.dtypes import as_dtype, result_type
from gpunet.ops import elementwise as el
from gpunet.ops.operands import as_shape, cast_to, operand
from gpunet.symbolic.keras_tensor import KerasTensor
from gpunet.symbolic.ops import symbolic_op


def _target(where: str | Device | None) -> Device:
    return default_device() if where is None else device(where)


def _made(function: str, where: str | Device | None, *arguments: Any) -> Tensor:
    target = _target(where)
    with current_device(target):
        return wrap(getattr(backend_for(target).xp, function)(*arguments))


def full(shape: Any, fill_value: Any, dtype: Any = None, device: str | Device | None = None) -> Tensor:
    """A tensor of `shape` filled with a number, `floatx()` unless the number or `dtype` says otherwise."""
    if dtype is None:
        dtype = getattr(fill_value, "dtype", None) or (type(fill_value) if not isinstance(fill_value, float) else None)
    fill = float(fill_value) if hasattr(fill_value, "dtype") else fill_value
    return _made("full", device, as_shape(shape), fill, as_dtype(dtype))


def zeros(shape: Any, dtype: Any = None, device: str | Device | None = None) -> Tensor:
    """A tensor of zeros."""
    return _made("zeros", device, as_shape(shape), as_dtype(dtype))


def ones(shape: Any, dtype: Any = None, device: str | Device | None = None) -> Tensor:
    """A tensor of ones."""
    return full(shape, 1, as_dtype(dtype), device)


def empty(shape: Any, dtype: Any = None, device: str | Device | None = None) -> Tensor:
    """A tensor with arbitrary contents."""
    return _made("empty", device, as_shape(shape), as_dtype(dtype))


@symbolic_op
def empty_like(x: Any, dtype: Any = None) -> Any:
    """A tensor of x's shape and device with arbitrary contents, in its dtype unless `dtype` is given."""
    return el.zeros_like(x, dtype)


@symbolic_op
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """x's shape and device filled with a number, in its dtype unless `dtype` is given."""
    filled = el.zeros_like(x, dtype)
    return cast_to(el.add(filled, fill_value), filled.dtype)


def arange(
    start: Any, stop: Any = None, step: Any = None, dtype: Any = None, device: str | Device | None = None
) -> Tensor:
    """start, start + step, … below stop; 0, 1, … below start where stop is None.

    The dtype is the arguments' common one: int32 for Python integers, `floatx()` for floats.

    Raises:
        ValueError: if step is 0.
    """
    given = [v for v in (start, stop, step) if v is not None]
    dtype = result_type(*[getattr(v, "dtype", v) for v in given]) if dtype is None else as_dtype(dtype)
    start, stop, step = (v.item() if hasattr(v, "item") else v for v in (start, stop, step))
    if step == 0:
        raise ValueError("arange: step must not be 0. Received: step=0")
    first, last = (0, start) if stop is None else (start, stop)
    values: Any = np.arange(first, last, 1 if step is None else step)
    return wrap(to_device(values.astype(dtype), _target(device)))


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` evenly spaced numbers from start to stop, which `endpoint` includes; with `retstep` also the step."""
    start, stop = (to_host(raw(v)) if hasattr(v, "shape") else v for v in (start, stop))
    values, step = np.linspace(start, stop, num, endpoint=endpoint, retstep=True, axis=axis)
    values = Tensor(values.astype(as_dtype(dtype)), device=default_device())
    return (values, step) if retstep else values


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones on the k-th diagonal of an N × M matrix of zeros."""
    return Tensor(np.eye(N, M, k, dtype=as_dtype(dtype)), device=default_device())


def identity(n: int, dtype: Any = None) -> Tensor:
    """The n × n identity matrix."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones at and below the k-th diagonal of an N × M matrix of zeros."""
    return Tensor(np.tri(N, M, k, dtype=as_dtype(dtype)), device=default_device())


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """x as a Tensor: NumPy arrays and Python data on the default device, other arrays where they are.

    Nothing is copied where the default device is the CPU. `Tensor(x)` wraps a NumPy array on any default device.

    A Tensor of the right dtype is returned as it is, a Variable as a tensor of its current value.

    Raises:
        ValueError: if a sparse or ragged tensor is asked for: there are none.
    """
    if sparse or ragged:
        raise ValueError(f"there are dense tensors only. Received: sparse={sparse}, ragged={ragged}")
    if isinstance(x, KerasTensor):
        return el.cast(x, dtype) if dtype is not None and x.dtype != as_dtype(dtype) else x
    if not isinstance(x, Tensor):
        return Tensor(x, dtype, default_device() if type(x) is np.ndarray else None)
    x = x if type(x) is Tensor else x.value  # type: ignore[attr-defined]  # of a Variable
    return x if dtype is None else cast_to(x, dtype)


array = convert_to_tensor


def convert_to_numpy(x: Any) -> np.ndarray:
    """x as a NumPy array on the host."""
    return x.numpy() if isinstance(x, Tensor) else to_host(raw(operand(x)))


def is_tensor(x: Any) -> bool:
    """True for Tensors, Variables and symbolic tensors."""
    return isinstance(x, Tensor | KerasTensor)
