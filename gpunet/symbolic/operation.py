"""Operations and the nodes of their calls: the graph under a functional model."""

from __future__ import annotations

import collections
import inspect
import re
from typing import Any

from gpunet import tree
from gpunet.symbolic.infer import infer_output
from gpunet.symbolic.keras_tensor import KerasTensor, any_symbolic

_counts: collections.Counter[str] = collections.Counter()
_uids: collections.Counter[str] = collections.Counter()


def snake_case(name: str) -> str:
    """`Conv2DTranspose` → `conv2d_transpose`, as Keras names layers."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """`prefix`, `prefix_1`, …: unique names of a process, until `reset_names`."""
    count = _counts[prefix]
    _counts[prefix] += 1
    return prefix if count == 0 else f"{prefix}_{count}"


def reset_names() -> None:
    """Start naming layers from the beginning, as in a new process."""
    _counts.clear()
    _uids.clear()


def get_uid(prefix: str = "") -> int:
    """1, 2, …: a number that no other call with this prefix has had since `reset_names`."""
    _uids[prefix] += 1
    return _uids[prefix]


def get_source_inputs(tensor: KerasTensor) -> list[KerasTensor]:
    """The tensors of `Input` that a symbolic tensor is computed from, in the order in which they are met."""
    if tensor._keras_history is None or not tensor._keras_history[0].inputs:
        return [tensor]
    found: list[KerasTensor] = []
    for x in tensor._keras_history[0].inputs:
        found += [source for source in get_source_inputs(x) if not any(source is other for other in found)]
    return found


class Operation:
    """Something with a name that maps tensors to tensors, and remembers its symbolic calls.

    A subclass has a `call`; its constructor arguments are captured, so that `get_config` can give them back.
    """

    _captured_config: dict[str, Any] | None
    _inbound_nodes: list[Node]

    def __new__(cls, *args: Any, **kwargs: Any):
        instance = super().__new__(cls)
        object.__setattr__(instance, "_captured_config", _captured(cls, args, kwargs))
        object.__setattr__(instance, "_inbound_nodes", [])
        return instance

    def __init__(self, name: str | None = None):
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"{type(self).__name__}: name must be a string without '/'. Received: name={name!r}")
        self.name = name or auto_name(snake_case(type(self).__name__))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs for some tensors; symbolic tensors give symbolic ones."""
        if any_symbolic(args, kwargs):
            return self.symbolic_call(args, kwargs)
        return self.call(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What a subclass computes of tensors."""
        raise NotImplementedError(f"{type(self).__name__} has no `call`")

    def symbolic_call(self, args: tuple, kwargs: dict) -> Any:
        """A node of a functional model, whose outputs' shapes are inferred by running `call` without data."""
        return self.record_call(args, kwargs, infer_output(self.call, args, kwargs))

    def record_call(self, args: tuple, kwargs: dict, outputs: Any) -> Any:
        """Mark `outputs` (KerasTensors) as made by this call; return them."""
        self._inbound_nodes.append(Node(self, args, kwargs, outputs))
        return outputs

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and the name.

        Raises:
            NotImplementedError: if the constructor takes what it cannot tell by name.
        """
        if self._captured_config is None:
            raise NotImplementedError(f"{type(self).__name__} needs a `get_config` of its own")
        return {**self._captured_config, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The operation of a configuration that `get_config` made."""
        return cls(**config)

    @property
    def input(self) -> Any:
        """The input of the operation's first call on symbolic tensors."""
        return self._first_node("input").input

    @property
    def output(self) -> Any:
        """The output of the operation's first call on symbolic tensors."""
        return self._first_node("output").outputs

    def _first_node(self, what: str) -> Node:
        if not self._inbound_nodes:
            raise AttributeError(
                f"The layer {self.name!r} has never been called on symbolic tensors and thus has no defined {what}."
            )
        return self._inbound_nodes[0]


def _captured(cls: type, args: tuple, kwargs: dict) -> dict[str, Any] | None:
    """The constructor's arguments by name, defaults included; None where the signature does not fit."""
    try:
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]  # the class's own is meant
        bound = signature.bind(None, *args, **kwargs)
    except (TypeError, ValueError):
        return None
    bound.apply_defaults()
    config = dict(list(bound.arguments.items())[1:])
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            config.update(config.pop(name))
        elif parameter.kind is parameter.VAR_POSITIONAL and not config.pop(name):
            pass
    return config


class Node:
    """One symbolic call: the operation, its arguments and its outputs."""

    def __init__(self, operation: Operation, args: tuple, kwargs: dict, outputs: Any):
        self.operation = operation
        self.args = args
        self.kwargs = kwargs
        self.outputs = outputs
        self.inputs = [x for x in tree.flatten((args, kwargs)) if isinstance(x, KerasTensor)]
        for i, x in enumerate(tree.flatten(outputs)):
            x._keras_history = (self, i)

    @property
    def input(self) -> Any:
        """The first argument, if it is all the symbolic input there is, else the list of all."""
        first = self.args[0] if self.args else None
        if len(tree.flatten(first)) == len(self.inputs):
            return first
        return self.inputs[0] if len(self.inputs) == 1 else self.inputs

    def substituted(self, values: dict[int, Any]) -> tuple[tuple, dict]:
        """The call's arguments with each KerasTensor replaced by `values[id(tensor)]`."""

        def value(x):
            return values[id(x)] if isinstance(x, KerasTensor) else x

        return tree.map_structure(value, self.args), tree.map_structure(value, self.kwargs)
