"""Ops that one function of the array library computes as a whole: LAPACK's factorizations and Fourier transforms.

They are no primitives, and have no kernels of our own: NumPy computes them on the CPU and CuPy on a GPU, by cuSOLVER
and cuFFT. Their gradients are written with ops, as those of all others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.autograd.apply import apply
from gpunet.autograd.recording.trace import watched
from gpunet.autograd.tape import Gradient
from gpunet.autograd.tensor import Tensor
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.devices import current_device, device_of
from gpunet.backend.primitive import Primitive, UnlistedPrimitive, backend_of
from gpunet.ops.operands import cast_to, float_operand


def library_function(
    name: str, compute: Callable, infer: Callable, vjp: Callable | None = None, saves: str = "xo"
) -> Callable:
    """A function of tensors and plain arrays that `compute(xp, *arrays, **attributes)` does.

    Args:
        infer: `(*arrays, **attributes)` → shapes and dtypes of the results, as `AbstractArray`s.
        vjp: the gradient in its general form, written with ops. What it finds in `record.out` is a constant where there
            are several results: `outputs_of` finds them anew for derivatives of the gradient.
    """
    primitive = UnlistedPrimitive(name)
    primitive.launches = False  # cuSOLVER's status is read on the host
    primitive.table = _Table(primitive, compute, infer)  # type: ignore[assignment]
    primitive.gradient = None if vjp is None else Gradient(vjp=vjp, saves=saves)

    def call(*operands: Any, **attributes: Any) -> Any:
        return apply(primitive, *operands, **attributes)

    return call


class _Table(dict):
    """Array type → `compute` with that type's namespace; arrays without data take the shape rule."""

    def __init__(self, primitive: Primitive, compute: Callable, infer: Callable):
        super().__init__({AbstractArray: infer})
        self.primitive = primitive
        self.compute = compute

    def __missing__(self, array_type: type) -> Callable:
        compute = functools.partial(self.compute, backend_of(array_type).xp)

        def found(*arrays: Any, **options: Any) -> Any:
            with current_device(device_of(arrays[0])):
                return _arrays(compute(*arrays, **options))

        self[array_type] = watched(self.primitive, found)
        return self[array_type]


def _arrays(found: Any) -> Any:
    """Results as arrays in a plain tuple: NumPy makes scalars of 0-d ones, and named tuples."""
    if isinstance(found, tuple):
        return tuple(map(_arrays, found))
    return np.asarray(found) if isinstance(found, np.generic) else found


def outputs_of(record: Any, function: Callable) -> tuple:
    """The results of a function with several, connected to its operands where the gradient is differentiated."""
    if any(isinstance(x, Tensor) for x in record.inputs):
        return function(*record.inputs, **record.attributes)
    return record.out


def wide(x: Any) -> Any:
    """x in a float that LAPACK knows: float64 as it is, everything else as float32."""
    x = float_operand(x)
    return x if x.dtype.itemsize == 8 else cast_to(x, "float32")
