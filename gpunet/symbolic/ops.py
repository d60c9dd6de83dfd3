"""Ops on symbolic tensors become operations of a functional graph."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from gpunet.symbolic.infer import infer_output
from gpunet.symbolic.keras_tensor import KerasTensor
from gpunet.symbolic.operation import Operation, auto_name

_NAMES = {"getitem": "get_item"}  # as Keras calls the operation of `x[...]`


class OpCall(Operation):
    """A function of `gpunet.ops` as a node of a functional model.

    Args:
        fixed: arguments of the function that are the same for every call.
    """

    def __init__(self, function: Callable, name: str | None = None, **fixed: Any):
        super().__init__(name=name or auto_name(_NAMES.get(function.__name__, function.__name__)))
        self.function = function
        self.fixed = fixed

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.fixed:
            args, kwargs = self.merged(args, kwargs)
        return self.function(*args, **kwargs)

    def merged(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """The function's arguments for those of a call: fixed ones take their places between the positional ones."""
        rest, queue = dict(self.fixed), list(args)
        merged: list[Any] = []
        for name, parameter in inspect.signature(self.function).parameters.items():
            if not queue:
                break
            if parameter.kind is parameter.VAR_POSITIONAL:
                merged += queue
                break
            merged.append(rest.pop(name) if name in rest else queue.pop(0))
        return tuple(merged), rest | kwargs

    def symbolic_call(self, args: tuple, kwargs: dict) -> Any:
        return self.record_call(args, kwargs, infer_output(self, args, kwargs))


_SUSPECT = frozenset((KerasTensor, list, tuple, dict))


def _has_symbolic(values: Any) -> bool:
    for x in values:
        kind = type(x)
        if kind in _SUSPECT and (kind is KerasTensor or _has_symbolic(x.values() if kind is dict else x)):
            return True
    return False


def call_if_symbolic(op: Callable, args: tuple, kwargs: dict) -> Any:
    """The symbolic result if a KerasTensor is among the arguments, else None."""
    if _has_symbolic(args) or (kwargs and _has_symbolic(kwargs.values())):
        return OpCall(op).symbolic_call(args, kwargs)
    return None


def symbolic_op(function: Callable) -> Callable:
    """Decorator: let a function of tensors be called with KerasTensors, which adds it to the functional graph."""

    @functools.wraps(function)
    def op(*args, **kwargs):
        for x in args:  # the common case costs one look per argument
            if type(x) in _SUSPECT and _has_symbolic((x,)):
                return OpCall(op).symbolic_call(args, kwargs)
        if kwargs and _has_symbolic(kwargs.values()):
            return OpCall(op).symbolic_call(args, kwargs)
        return function(*args, **kwargs)

    return op
