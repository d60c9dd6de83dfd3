"""Ops of the user's own: a function on plain arrays, such as one that launches a CUDA kernel, with a gradient."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.autograd.apply import apply
from gpunet.autograd.recording.trace import watched
from gpunet.autograd.tape import Gradient, Record
from gpunet.autograd.tensor import Tensor
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.devices import current_device, device_of
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.primitive import Primitive, UnlistedPrimitive, backend_of
from gpunet.backend.primitives.elementwise import copy
from gpunet.symbolic.ops import symbolic_op


def custom_op(
    forward: Callable,
    *,
    backward: Callable | None = None,
    shape: Callable | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Callable:
    """Make an op of a function on plain arrays, for example one that calls a `cupy.RawKernel`.

    The op takes tensors, variables, plain arrays and KerasTensors, works inside models, and is recorded where a tape
    watches an input. Outside of tapes it costs the function itself and about a microsecond.

    Args:
        forward: `(*inputs, **options)` → a new array of the kind of the inputs. It gets the positional arguments of a
            call as NumPy or CuPy arrays in C order, as kernels want them (Python numbers and None as they are), and the
            keyword arguments as options.
        backward: `(g, *inputs, **options)` → the gradient of the inputs, given that of the result: an array, or a tuple
            with one entry, or None, for each input. With a parameter named `out` it gets the result too. It gets plain
            arrays in C order; while a derivative of a derivative is taken it gets tensors. So for higher orders write
            it with `gpunet.ops`, or make it a `custom_op` with a backward of its own. Without a backward the result is
            a constant for tapes.
        shape: `(*shapes, **options)` → the result's shape, from those of the inputs (None for one that has none). The
            shape of the first array where it is None.
        dtype: the result's dtype; that of the first array where it is None.
        name: for messages and model summaries; the function's own where it is None.

    Returns:
        The op, a function with forward's arguments.

    Raises:
        TypeError: if forward or backward cannot be called, or, when the op runs, do not return arrays.
        ValueError: when the gradient is taken, if backward returns another number of gradients or other shapes.

    Example:
        >>> square = gpunet.custom_op(lambda x: x * x, backward=lambda g, x: 2 * g * x, name="square")
        >>> gpunet.grad(square)(3.0)
    """
    for label, function in (("forward", forward), ("backward", backward), ("shape", shape)):
        if not callable(function) and (function is not None or label == "forward"):
            raise TypeError(f"custom_op expected a function as {label}. Received: {label}={function!r}")
    name = name or getattr(forward, "__name__", "custom_op").strip("<>")
    primitive = UnlistedPrimitive(name)
    primitive.table = _Forward(primitive, forward, _Result(shape, dtype))  # type: ignore[assignment]
    if backward is not None:
        takes_out = "out" in inspect.signature(backward).parameters
        primitive.gradient = Gradient(vjp=_Backward(name, backward, takes_out), saves="xio" if takes_out else "xi")

    def op(*inputs, **options):
        return apply(primitive, *inputs, **options)

    op.__name__ = op.__qualname__ = name
    op.__module__ = getattr(forward, "__module__", None) or "custom"  # the user's code: models are not recorded unasked
    op.__doc__ = forward.__doc__
    return symbolic_op(op)


class _Result:
    """The shape and dtype of an op's result."""

    def __init__(self, shape: Callable | None, dtype: Any):
        self.shape = shape
        self.dtype = None if dtype is None else as_dtype(dtype)

    def __call__(self, *arrays: Any, out: Any = None, **options: Any) -> AbstractArray:
        first = next(a for a in arrays if hasattr(a, "shape"))
        shape = first.shape
        if self.shape is not None:
            shape = tuple(self.shape(*(getattr(a, "shape", None) for a in arrays), **options))
        return AbstractArray(shape, self.dtype or first.dtype)


def _in_c_order(x: Any) -> Any:
    """A plain array that is not contiguous as a copy that is; anything else as it is."""
    if not hasattr(x, "flags") or x.flags.c_contiguous:
        return x
    return copy(x, out=backend_of(type(x)).xp.empty(x.shape, x.dtype))


class _Forward(dict):
    """Array type → forward with its result checked; arrays without data take the shape rule."""

    def __init__(self, primitive: Primitive, forward: Callable, result: _Result):
        super().__init__({AbstractArray: result})
        self.primitive = primitive
        self.forward = forward

    def __missing__(self, array_type: type) -> Callable:
        backend_of(array_type)  # raises for what is no array
        name, forward = self.primitive.name, self.forward

        def run(*arrays, **options):
            with current_device(device_of(arrays[0])):
                out = forward(*map(_in_c_order, arrays), **options)
            if type(out) is array_type or (array_type is np.ndarray and isinstance(out, np.generic)):
                return out
            raise TypeError(
                f"the custom op {name!r} must return an array of the kind of its inputs, "
                f"{array_type.__module__}.{array_type.__name__}. Received: {type(out)}"
            )

        self[array_type] = watched(self.primitive, run)
        return self[array_type]


def _listed(found: Any) -> list:
    return list(found) if isinstance(found, list | tuple) else [found]


class _Backward:
    """A user's backward as the general form of a gradient."""

    def __init__(self, name: str, function: Callable, takes_out: bool):
        self.name = name
        self.function = function
        self.takes_out = takes_out
        self.primitive = UnlistedPrimitive(f"{name}_backward")
        self._plain = self._plain_gradients  # one object, by which recordings know the step

    def _plain_gradients(self, *arrays: Any, **options: Any) -> Any:
        found = _listed(self.function(*arrays, **options))
        gradients = tuple(x.array if isinstance(x, Tensor) else x for x in found)
        return gradients[0] if len(gradients) == 1 else gradients

    def __call__(self, g: Any, record: Record) -> list:
        arrays = [_in_c_order(x) for x in (g, *record.inputs)]
        options = {**record.attributes, "out": _in_c_order(record.out)} if self.takes_out else record.attributes
        recorded = any(isinstance(x, Tensor) for x in arrays)
        gradients = self._call(*arrays, **options) if recorded else self._run_plain(arrays, options)
        if len(gradients) != len(record.inputs):
            raise ValueError(
                f"the backward of {self.name!r} must return one gradient for each of {len(record.inputs)} inputs. "
                f"Received: {len(gradients)}"
            )
        return [self._checked(x, shape, recorded) for x, shape in zip(gradients, record.shapes)]

    def _call(self, *arrays: Any, **options: Any) -> list:
        try:
            return _listed(self.function(*arrays, **options))
        except TypeError as error:
            raise TypeError(f"{self._no_second_derivative()}: {error}") from error

    def _run_plain(self, arrays: list, options: dict) -> list:
        """Call the function with plain arrays, which is one step of a recording."""
        return _listed(watched(self.primitive, self._plain)(*arrays, **options))

    def _no_second_derivative(self) -> str:
        return (
            f"the custom op {self.name!r} cannot be differentiated twice, for its backward does not work on tensors. "
            "Write it with gpunet.ops, or make it a custom_op with a backward of its own"
        )

    def _checked(self, gradient: Any, shape: Any, recorded: bool) -> Any:
        if gradient is None:
            return None
        if recorded and not isinstance(gradient, Tensor):
            raise TypeError(f"{self._no_second_derivative()}. Received: {type(gradient)}")
        if getattr(gradient, "shape", None) != shape:
            received = getattr(gradient, "shape", type(gradient).__name__)
            raise ValueError(
                f"the backward of {self.name!r} must return a gradient of shape {shape}. Received: {received}"
            )
        return gradient
