"""Running a primitive on any mix of tensors, variables, raw arrays and Python numbers, and recording it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.autograd.tape import POSITIONS, Broadcast, Gradient, Record, clock, note_use, state
from gpunet.autograd.tensor import Tensor, wrap
from gpunet.autograd.variable import Variable, compute_dtype_of, scopes
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.devices import as_array, device_of, to_device
from gpunet.backend.memory import output
from gpunet.backend.primitive import Primitive, is_array_type
from gpunet.backend.primitives import elementwise

_NUMBERS = (int, float, bool)


def apply(primitive: Primitive, *inputs: Any, **attributes: Any) -> Any:
    """Run `primitive` on the inputs and record it where a tape is watching one of them.

    Inputs may be Tensors, Variables, raw arrays, Python numbers and None for an absent operand. The result is a raw
    array (or tuple) if no input is a Tensor, else a Tensor (or tuple).

    Raises:
        ValueError: if the inputs live on different devices.
    """
    if scopes.compute_dtype is not None and primitive is not elementwise.cast:
        inputs = tuple(map(autocast, inputs))
    base = state.base
    arrays, nodes, plain = unpack(inputs, base)
    recording = nodes is not None and primitive.gradient is not None
    first = arrays[0]
    kind = type(first) if type(first) not in _NUMBERS else type(_first_array(arrays))
    storage = output(primitive, arrays, attributes) if kind is np.ndarray and not primitive.is_view else {}
    residuals: Any = ()
    if primitive.has_residuals:
        out, residuals = primitive.table[kind](*arrays, residuals=recording, **storage, **attributes)
    else:
        out = primitive.table[kind](*arrays, **storage, **attributes)
    if type(out) is tuple:
        out = tuple(map(_settle, out))
    elif type(out) is not kind:
        out = _settle(out)
    if plain:
        return out
    if primitive.is_view and type(inputs[0]) is Variable:
        out = elementwise.copy(out)  # a variable's storage changes in place, a tensor's value does not
    if recording:
        return _record(primitive, inputs, arrays, nodes, out, attributes, residuals)
    return tuple(map(wrap, out)) if type(out) is tuple else wrap(out)


def _first_array(arrays) -> Any:
    return next(a for a in arrays if a is not None and type(a) not in _NUMBERS)


def autocast(x: Any) -> Any:
    """A variable in the compute dtype of the surrounding autocast scope; anything else as it is."""
    dtype = compute_dtype_of(x) if type(x) is Variable else None
    return x if dtype is None else apply(elementwise.cast, x, dtype=dtype)


def _settle(out: Any) -> Any:
    """NumPy scalars, which ufuncs make of 0-d arrays, as 0-d arrays."""
    return np.asarray(out) if isinstance(out, np.generic) else out


def unpack(inputs: Sequence[Any], base: int | None) -> tuple[list, list | None, bool]:
    """Raw arrays on one device, nodes, and whether no input is a Tensor.

    Nodes are None where an input is not tracked by a tape that began at `base`, and no list where none is.
    """
    arrays: list[Any] = []
    nodes: list[list | None] = []
    kind = None
    mixed = tracked = False
    plain = True
    for x in inputs:
        t = type(x)
        node = None
        if t is Tensor or t is Variable:
            plain = False
            a, node = x.array, x._node
        elif x is None or t in _NUMBERS:
            arrays.append(x)
            nodes.append(None)
            continue
        elif isinstance(x, Tensor):
            plain = False
            a, node = x.array, x._node
        else:
            a = x if is_array_type(t) else as_array(x)
        if node is not None:
            if base is not None and node[0] < base:
                tracked = True
            else:
                node = None
        arrays.append(a)
        nodes.append(node)
        mixed = mixed or (kind is not None and type(a) is not kind)
        kind = type(a)
    return _on_one_device(inputs, arrays) if mixed else arrays, nodes if tracked else None, plain


def _on_one_device(inputs, arrays) -> list:
    """Upload NumPy arrays that meet a GPU tensor; an array without data makes all others so."""
    kinds = [type(a) for a in arrays]
    if AbstractArray in kinds:
        return [AbstractArray(a.shape, a.dtype) if hasattr(a, "shape") else a for a in arrays]
    gpu = next(device_of(a) for a, k in zip(arrays, kinds) if k is not np.ndarray and hasattr(a, "shape"))
    if not any(isinstance(x, Tensor) and type(x.array) is not np.ndarray for x in inputs):
        raise ValueError(
            f"NumPy and {gpu} arrays meet: move one of them, with gpunet.ops.to_device or cupy.asarray. "
            f"Received: {[_describe(x) for x in inputs]}"
        )
    moved = []
    for x, a in zip(inputs, arrays):
        if type(a) is np.ndarray:
            if isinstance(x, Tensor):
                raise ValueError(
                    f"operands are on different devices, move one with gpunet.ops.to_device. "
                    f"Received: {[_describe(x) for x in inputs]}"
                )
            a = to_device(a, gpu)
        moved.append(a)
    return moved


def _describe(x: Any) -> str:
    if not hasattr(x, "shape"):
        return repr(x)
    return f"{type(x).__name__}(shape={tuple(x.shape)}) on {x.device if isinstance(x, Tensor) else device_of(x)}"


def _record(primitive, inputs, arrays, nodes, out, attributes, residuals):
    gradient: Gradient = primitive.gradient
    versions: Any = None
    for x in inputs:
        if type(x) is Variable:
            versions = note_use(inputs, state.base)
            break
    if gradient.vjp is not None:
        saved = _general_record(gradient, arrays, out, attributes, residuals)
    else:
        saved = _local_saved(gradient, arrays, nodes, out)
    node = [clock(), gradient, tuple(nodes), saved, versions if gradient.saves else None]
    if type(out) is not tuple:
        return wrap(out, node)
    return tuple([wrap(part, [clock(), i, (node,), len(out), None]) for i, part in enumerate(out)])


def _general_record(gradient, arrays, out, attributes, residuals) -> Record:
    """Keep what the gradient declares in `saves`."""
    saves = gradient.saves(attributes) if callable(gradient.saves) else gradient.saves
    inputs: list[Any] = [None] * len(arrays)
    for name in saves:
        if name == "i":
            inputs[1:] = arrays[1:]
        elif name != "o" and POSITIONS[name] < len(arrays):
            inputs[POSITIONS[name]] = arrays[POSITIONS[name]]
    shapes = tuple([getattr(a, "shape", None) for a in arrays])
    return Record(tuple(inputs), out if "o" in saves else None, attributes, residuals, shapes, arrays[0].dtype)


def _local_saved(gradient: Gradient, arrays: list, nodes: list, out: Any) -> tuple:
    saved = gradient.saved(arrays, nodes, out)
    shape = out.shape
    shapes = tuple([a.shape if hasattr(a, "shape") and a.shape != shape else None for a in arrays])
    return Broadcast(saved, shapes) if shapes.count(None) < len(shapes) else saved
