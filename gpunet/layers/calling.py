"""What `Layer.__call__` knows about a call: its arguments, the surrounding call, shapes and masks."""

from __future__ import annotations

import functools
import inspect
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gpunet import tree
from gpunet.autograd import recomputing
from gpunet.autograd.recording.function import surroundings
from gpunet.autograd.tensor import Tensor
from gpunet.symbolic import KerasTensor


class _CallState(threading.local):
    """Per thread: the outermost layer being called, and the `training` value of the innermost call that set one."""

    def __init__(self):
        self.entry: Any = None
        self.training: bool | None = None


call_state = _CallState()
surroundings.append(lambda: call_state.training)


@contextmanager
def _within(entry: Any, training: bool | None) -> Iterator[None]:
    """As in another call; never as the outermost layer, which would clear losses."""
    before = (call_state.entry, call_state.training)
    call_state.entry, call_state.training = entry or Call, training
    try:
        yield
    finally:
        call_state.entry, call_state.training = before


recomputing.surroundings.append(lambda: functools.partial(_within, call_state.entry, call_state.training))


class Signature:
    """The parameters of a layer's `call` that the base class cares about."""

    def __init__(self, call: Callable):
        self.signature = inspect.signature(call)
        parameters = self.signature.parameters
        self.names = list(parameters)
        self.rest = next((p.name for p in parameters.values() if p.kind is p.VAR_KEYWORD), None)
        self.takes_training = "training" in parameters
        self.takes_mask = "mask" in parameters
        self.mask_names = [n for n in self.names if n.endswith("_mask")]
        default = parameters["training"].default if self.takes_training else None
        self.training_default = None if default is inspect.Parameter.empty else default
        # One tensor, perhaps `training` and `mask`: the case that needs no binding.
        self.simple = not (self.mask_names or self.rest) and set(self.names[1:]) <= {"training", "mask"}

    def bind(self, args: tuple, kwargs: dict) -> dict[str, Any]:
        """Arguments by name, defaults included."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def given_training(self, args: tuple, kwargs: dict) -> Any:
        """The `training` that a call was given, None where it was not: a default is weaker than the caller's value."""
        place = self.names.index("training")
        return args[place] if place < len(args) else kwargs.get("training")


@functools.lru_cache(maxsize=4096)
def _class_signature(call: Callable) -> Signature:
    return Signature(call.__get__(object()))


def signature_of(layer: Any) -> Signature:
    """The signature of the layer's `call`, shared by the instances of a class."""
    call = layer.call
    function = getattr(call, "__func__", None)
    return Signature(call) if function is None else _class_signature(function)


@functools.lru_cache(maxsize=256)
def takes_training(function: Callable) -> bool:
    """True if the function has an argument `training`, or takes any."""
    parameters = inspect.signature(function).parameters
    return "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


class Call:
    """The context of one call: who is outermost, and the value of `training`."""

    def __init__(self, layer: Any, explicit: bool | None, signature: Any):
        self.layer = layer
        self.explicit = explicit
        self.signature = signature

    def __enter__(self) -> bool | None:
        self.before = (call_state.entry, call_state.training)
        if call_state.entry is None:
            call_state.entry = self.layer
            self.layer._clear_losses()
        value = self.explicit
        if value is None:
            value = call_state.training
        if value is None:
            value = self.signature.training_default
        call_state.training = value
        return value

    def __exit__(self, *exc: Any) -> None:
        call_state.entry, call_state.training = self.before


def out_of_memory(error: MemoryError, layer: Any) -> MemoryError:
    """The error with the innermost layer in which it happened, and the bytes that were asked for."""
    if hasattr(error, "layer"):
        return error
    wanted = ""
    if hasattr(error, "shape") and hasattr(error, "dtype"):  # NumPy's; CuPy's message has the bytes
        wanted = f" asking for {math.prod(error.shape) * error.dtype.itemsize:,} bytes"
    named: Any = MemoryError(f"Out of memory in layer {layer.path!r} ({type(layer).__name__}){wanted}: {error}")
    named.layer = layer.path
    return named


def is_tensor_like(x: Any) -> bool:
    """True for Tensors and KerasTensors."""
    return isinstance(x, Tensor | KerasTensor)


def tensor_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that are tensors or structures of tensors (None may stand in for one).

    Raises:
        ValueError: if a structure mixes tensors with other values.
    """
    found = {}
    for name, value in arguments.items():
        leaves = tree.flatten(value)
        if not any(map(is_tensor_like, leaves)):
            continue
        if all(x is None or is_tensor_like(x) for x in leaves):
            found[name] = value
        else:
            raise ValueError(
                f"In a nested call() argument, you cannot mix tensors and non-tensors. "
                f"Received invalid mixed argument: {name}={value}"
            )
    return found


def shape_of(x: Any) -> Any:
    """The shape of a tensor, a structure of shapes for a structure."""
    return (
        tree.map_structure(lambda t: None if t is None else tuple(t.shape), x) if tree.is_nested(x) else tuple(x.shape)
    )


def build_shapes(method: Callable, tensors: dict[str, Any], arguments: dict[str, Any], layer: str) -> dict[str, Any]:
    """The keyword arguments of `build` or `compute_output_shape`: the first input's shape for a method with one
    parameter, else the shape of argument `x` for each parameter `x_shape`.

    Raises:
        ValueError: if a parameter matches no argument.
    """
    shapes = {f"{name}_shape": shape_of(value) for name, value in tensors.items() if name != "mask"}
    names = [
        p.name for p in inspect.signature(method).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if len(names) == 1:
        return {names[0]: next(iter(shapes.values()), None)}
    for name in names:
        argument = name.removesuffix("_shape")
        if argument == name or argument not in arguments:
            lacks = f"but `call()` does not have argument `{argument}`"
            problem = "which does not end in `_shape`" if argument == name else lacks
            raise ValueError(
                f"For a `{method.__name__}()` method with more than one argument, all arguments should have a `_shape` "
                f"suffix and match an argument from `call()`, e.g. `{method.__name__}(self, foo_shape, bar_shape)`. "
                f"For layer '{layer}', received `{method.__name__}()` argument `{name}`, {problem}."
            )
    return {name: shapes[name] for name in names if name in shapes}


def get_mask(x: Any) -> Any:
    """The mask attached to a tensor, or None."""
    return getattr(x, "_keras_mask", None)


def set_mask(x: Any, mask: Any) -> None:
    """Attach a mask to a tensor."""
    x._keras_mask = mask


def fill_masks(signature: Signature, arguments: dict[str, Any], tensors: dict[str, Any], kwargs: dict) -> None:
    """Pass on the masks of the inputs as `mask`, or as `x_mask` for an argument `x`, where the caller gave none."""
    if len(tensors) == 1:
        if signature.takes_mask and arguments["mask"] is None:
            kwargs["mask"] = tree.map_structure(get_mask, next(iter(tensors.values())))
        return
    for name, value in tensors.items():
        key = f"{name}_mask"
        if key in signature.mask_names and arguments[key] is None:
            kwargs[key] = tree.map_structure(get_mask, value)
