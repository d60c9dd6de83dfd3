"""Ops of the user's own: a function on plain arrays, such as one that launches a CUDA kernel, with a gradient."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunet.autograd.apply import apply
from gpunet.autograd.recording.trace import watched
from gpunet.autograd.tape import Gradient, Record
from gpunet.autograd.tensor import Tensor
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.primitive import Primitive, backend_of
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
    primitive = _CustomPrimitive(name, _Forward(name, forward))
    primitive.table[AbstractArray] = _Result(shape, dtype)
    if backward is not None:
        vjp = _Backward(name, backward)
        primitive.gradient = Gradient(vjp=vjp, saves="xio" if vjp.takes_out else "xi")

    def op(*inputs, **options):
        return apply(primitive, *inputs, **options)

    op.__name__ = op.__qualname__ = name
    op.__module__ = getattr(forward, "__module__", None) or "custom"  # whose code it is
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


class _CustomPrimitive(Primitive):
    """A primitive outside of the table of all primitives, with `run(array_type, *arrays, **options)` for all kinds."""

    __slots__ = ()

    def __init__(self, name: str, run: Callable):
        self.name = name
        self.infer = lambda *_, **__: None  # the function allocates its result
        self.has_residuals = self.is_view = False
        self.gradient = None
        self.table = _Implementations(self, run)  # type: ignore[assignment]  # filled in its own way


class _Implementations(dict):
    """Array type → the function for it, which recorded steps see."""

    def __init__(self, primitive: Primitive, run: Callable):
        super().__init__()
        self.primitive = primitive
        self.run = run

    def __missing__(self, array_type: type) -> Callable:
        backend_of(array_type)  # raises for what is no array
        self[array_type] = watched(self.primitive, functools.partial(self.run, array_type))
        return self[array_type]


class _Forward:
    """A user's forward, with what goes in and comes out of it looked at."""

    def __init__(self, name: str, function: Callable):
        self.name = name
        self.function = function

    def __call__(self, array_type: type, *arrays: Any, out: Any = None, **options: Any) -> Any:
        found = self.function(*map(_in_c_order, arrays), **options)
        if isinstance(found, np.generic) and array_type is np.ndarray:
            found = np.asarray(found)
        if type(found) is not array_type:
            raise TypeError(
                f"the custom op {self.name!r} must return an array of the kind of its inputs, "
                f"{array_type.__module__}.{array_type.__name__}. Received: {type(found)}"
            )
        return found if out is None else copy(found, out=out)


def _in_c_order(x: Any) -> Any:
    """A plain array that is not contiguous as a copy that is; anything else as it is."""
    if not hasattr(x, "flags") or x.flags.c_contiguous:
        return x
    return copy(x, out=backend_of(type(x)).xp.empty(x.shape, x.dtype))


class _Backward:
    """A user's backward as the general form of a gradient.

    On plain arrays it runs as a primitive of its own, so that recorded steps see one call, whatever it is made of.
    """

    def __init__(self, name: str, function: Callable):
        self.name = name
        self.function = function
        self.takes_out = "out" in inspect.signature(function).parameters
        self.primitive = _CustomPrimitive(f"{name}_backward", self.on_arrays)

    def __call__(self, g: Any, record: Record) -> list:
        operands = [g, *record.inputs, *([record.out] if self.takes_out else [])]
        if any(isinstance(x, Tensor) for x in operands):
            return self._on_tensors(operands, record)
        found = self.primitive.table[type(g)](*operands, **record.attributes)
        gradients = found if type(found) is tuple else (found,)
        return [x if x.shape == s else None for x, s in zip(gradients, record.shapes)]

    def on_arrays(self, array_type: type, *operands: Any, out: Any = None, **options: Any) -> Any:
        """The gradients as arrays, with an empty one for None; `out` is where the first is wanted."""
        operands = tuple(map(_in_c_order, operands))
        gradients = self._checked(self._call(operands, options), operands)
        absent = backend_of(array_type).xp.empty
        found = [absent((0,)) if x is None else x.array if isinstance(x, Tensor) else x for x in gradients]
        if out is not None:
            found[0] = copy(found[0], out=out)
        return tuple(found) if len(found) > 1 else found[0]

    def _on_tensors(self, operands: list, record: Record) -> list:
        try:
            gradients = self._checked(self._call(operands, record.attributes), operands)
        except TypeError as error:
            raise TypeError(f"{self._no_second_derivative()}: {error}") from error
        if not all(x is None or isinstance(x, Tensor) for x in gradients):
            raise TypeError(f"{self._no_second_derivative()}. Received: {[type(x) for x in gradients]}")
        return gradients

    def _call(self, operands: Sequence, options: dict[str, Any]) -> Any:
        if not self.takes_out:
            return self.function(*operands, **options)
        return self.function(*operands[:-1], out=operands[-1], **options)

    def _checked(self, found: Any, operands: Sequence) -> list:
        """The gradients in a list, one for each input and of its shape, or None."""
        gradients = list(found) if isinstance(found, list | tuple) else [found]
        inputs = operands[1:-1] if self.takes_out else operands[1:]
        if len(gradients) != len(inputs):
            raise ValueError(
                f"the backward of {self.name!r} must return one gradient for each of {len(inputs)} inputs. "
                f"Received: {len(gradients)}"
            )
        for gradient, x in zip(gradients, inputs):
            shape = getattr(x, "shape", None)
            if gradient is not None and getattr(gradient, "shape", None) != shape:
                received = getattr(gradient, "shape", type(gradient).__name__)
                raise ValueError(
                    f"the backward of {self.name!r} must return a gradient of shape {shape}. Received: {received}"
                )
        return gradients

    def _no_second_derivative(self) -> str:
        return (
            f"the custom op {self.name!r} cannot be differentiated twice, for its backward does not work on tensors. "
            "Write it with gpunet.ops, or make it a custom_op with a backward of its own"
        )
