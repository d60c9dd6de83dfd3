"""The graph of a functional model: its calls in order, its operations in Keras's order, and both as a configuration."""

from __future__ import annotations

import inspect
from typing import Any

from gpunet import tree
from gpunet.layers.calling import signature_of
from gpunet.layers.core.input_layer import InputLayer
from gpunet.layers.layer import Layer
from gpunet.models.op_config import call_arguments, call_op, is_op_config, op_config, op_from_config
from gpunet.serialization import deserialize, serialize
from gpunet.symbolic import KerasTensor, Node, OpCall, Operation


def nodes_between(inputs: list[KerasTensor], outputs: list[KerasTensor]) -> list[Node]:
    """The calls that lead from inputs to outputs, each after those it needs.

    Raises:
        ValueError: if an output depends on a symbolic tensor that is not among the inputs.
    """
    known = {id(x) for x in inputs}
    done: dict[int, Node] = {}
    stack: list[tuple[KerasTensor, bool]] = [(y, False) for y in reversed(outputs)]
    while stack:
        tensor, ready = stack.pop()
        if id(tensor) in known:
            continue
        node = tensor._keras_history[0] if tensor._keras_history else None
        if node is None or isinstance(node.operation, InputLayer):
            raise ValueError(
                f"`inputs` not connected to `outputs`: an output depends on {tensor!r}, which is not among the inputs."
            )
        if id(node) in done:
            continue
        if ready:
            done[id(node)] = node
            continue
        stack.append((tensor, True))
        stack.extend((x, False) for x in reversed(node.inputs) if id(x) not in known)
    return list(done.values())


def entrance_of(x: KerasTensor) -> InputLayer:
    """The InputLayer behind an input; a fresh one for a tensor that some layer made."""
    operation = x._keras_history[0].operation if x._keras_history else None
    return operation if isinstance(operation, InputLayer) else InputLayer(batch_shape=x.shape, dtype=x.dtype)


def ordered_operations(
    inputs: list[KerasTensor], entrances: list[InputLayer], outputs: list[KerasTensor], nodes: list[Node]
) -> list[Operation]:
    """Inputs, layers and ops from the farthest from the outputs to the nearest, then in the order of a walk from them.

    It is Keras's order, which decides the order of weights and the names of layers in files.
    """
    entrance = {id(x): layer for x, layer in zip(inputs, entrances)}
    seen = _first_seen(entrance, outputs)
    depth: dict[Any, int] = {}  # of nodes and entrances
    deepest: dict[Operation, int] = {}
    for node in reversed(nodes):
        own = max(depth.get(node, 0), deepest.get(node.operation, 0))
        deepest[node.operation] = own
        for x in node.inputs:
            before = entrance.get(id(x)) or x._keras_history[0]
            depth[before] = max(depth.get(before, 0), own + 1)
    for layer in entrances:
        deepest[layer] = depth.get(layer, 0)
    return sorted(deepest, key=lambda operation: (-deepest[operation], seen.get(operation, -1)))


def _first_seen(entrance: dict[int, InputLayer], outputs: list[KerasTensor]) -> dict[Operation, int]:
    """When a walk from the outputs, depth first, meets each operation."""
    seen: dict[Operation, int] = {}
    visited: set[int] = set()
    stack = list(reversed(outputs))
    while stack:
        x = stack.pop()
        if id(x) in entrance:
            seen.setdefault(entrance[id(x)], len(seen))
            continue
        node = x._keras_history[0]
        if id(node) in visited:
            continue
        visited.add(id(node))
        seen.setdefault(node.operation, len(seen))
        stack.extend(reversed(node.inputs))
    return seen


class GraphWriter:
    """Writes a functional model's graph as Keras does: tensors are (operation's name, call's number, output's number).

    Args:
        model: the functional model.
    """

    def __init__(self, model: Any):
        self.model = model
        self.calls: dict[Operation, list[Node]] = {operation: [] for operation in model.operations}
        wanted = {id(node) for node in model._nodes}
        for operation, calls in self.calls.items():
            calls += [node for node in operation._inbound_nodes if id(node) in wanted]
        self.entrances = {id(x): layer for x, layer in zip(model._flat_inputs, model._entrances)}

    def config(self) -> dict[str, Any]:
        """The keys `layers`, `input_layers` and `output_layers` of the configuration."""
        model = self.model
        return {
            "layers": [self._operation_config(operation) for operation in model.operations],
            "input_layers": tree.map_structure(self._output_key, model._inputs_struct),
            "output_layers": tree.map_structure(self._output_key, model._outputs_struct),
        }

    def _key(self, x: KerasTensor) -> list[Any]:
        if id(x) in self.entrances:
            return [self.entrances[id(x)].name, 0, 0]
        node, index = x._keras_history
        return [node.operation.name, self.calls[node.operation].index(node), index]

    def _output_key(self, x: KerasTensor) -> list[Any]:
        """The key of an input or output; in Keras, functional models have a call of their own before all others."""
        name, call, index = self._key(x)
        shifted = id(x) not in self.entrances and has_own_call(x._keras_history[0].operation)
        return [name, call + shifted, index]

    def _operation_config(self, operation: Operation) -> dict[str, Any]:
        config = op_config(operation) if isinstance(operation, OpCall) else serialize(operation)
        config["name"] = operation.name
        config["inbound_nodes"] = list(map(self._node_config, self.calls[operation]))
        return config

    def _node_config(self, node: Node) -> dict[str, Any]:
        args, kwargs = node.args, node.kwargs
        if isinstance(node.operation, OpCall):
            args, kwargs = call_arguments(node.operation, args, kwargs)
        return {
            "args": serialize(tree.map_structure(self._argument, list(args))),
            "kwargs": serialize(tree.map_structure(self._argument, dict(kwargs))),
        }

    def _argument(self, x: Any) -> Any:
        if not isinstance(x, KerasTensor):
            return x
        return _Reference(x, self._key(x))


class _Reference:
    """A symbolic tensor as an argument of a written call."""

    def __init__(self, tensor: KerasTensor, key: list[Any]):
        self.tensor = tensor
        self.key = key

    def to_plain(self) -> dict[str, Any]:
        """What the configuration holds for it."""
        config = {"shape": list(self.tensor.shape), "dtype": self.tensor.dtype.name, "keras_history": self.key}
        return {"class_name": "__keras_tensor__", "config": config}


def has_own_call(operation: Operation) -> bool:
    """Whether Keras counts a call of the model itself before those of others: for functional models."""
    return hasattr(operation, "_entrances")


def functional_arguments(config: dict[str, Any]) -> tuple[Any, Any]:
    """The inputs and outputs that a configuration describes, by calling its layers again.

    Raises:
        ValueError: if a call mentions an unknown layer, or calls depend on each other in a circle.
    """
    made: dict[str, Operation] = {}
    waiting: list[tuple[Operation, Any]] = []
    for layer in config["layers"]:
        operation = op_from_config(layer) if is_op_config(layer) else deserialize(layer)
        if not isinstance(operation, Operation):
            raise ValueError(f"a functional model is made of layers and operations. Received: {operation!r}")
        made[layer.get("name", operation.name)] = operation
        waiting += [(operation, node) for node in layer["inbound_nodes"]]
    calls: dict[Operation, list[Any]] = {
        operation: [operation.output] if isinstance(operation, InputLayer) else [] for operation in made.values()
    }
    while waiting:
        left = []
        blocked: set[Operation] = set()  # calls of one operation keep their order
        for operation, node in waiting:
            arguments = None if operation in blocked else _revived(node, made, calls)
            if arguments is None:
                blocked.add(operation)
                left.append((operation, node))
            else:
                calls[operation].append(_call(operation, *arguments))
        if len(left) == len(waiting):
            raise ValueError(f"the calls of these layers depend on each other. Received: {[op.name for op, _ in left]}")
        waiting = left

    def tensor(key):
        operation = _known(made, key[0])
        return tree.flatten(calls[operation][key[1] - has_own_call(operation)])[key[2]]

    return _map_keys(tensor, config["input_layers"]), _map_keys(tensor, config["output_layers"])


def _call(operation: Operation, args: tuple, kwargs: dict) -> Any:
    if isinstance(operation, OpCall):
        return call_op(operation, args, kwargs)
    parameters = inspect.signature(operation.call).parameters
    variadic = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = {k: v for k, v in kwargs.items() if v is not None or k in parameters or variadic}
    if _is_default_training(operation, known):
        del known["training"]
    return operation(*args, **known)


def _is_default_training(operation: Operation, kwargs: dict[str, Any]) -> bool:
    """Whether a call's `training` says what the signature does, as Keras writes it also where nobody gave it: without
    it the call is the same, and may be fused.
    """
    given = kwargs.get("training")
    return type(given) is bool and isinstance(operation, Layer) and signature_of(operation).training_default is given


def copy_op(operation: OpCall) -> OpCall:
    """The same op for another graph, under the same name."""
    return OpCall(operation.function, name=operation.name, **operation.fixed)


def _known(made: dict[str, Operation], name: str) -> Operation:
    if name not in made:
        raise ValueError(f"a call mentions a layer that the model does not have. Received: {name!r}")
    return made[name]


def _revived(node: Any, made: dict[str, Operation], calls: dict[Operation, list[Any]]) -> tuple[tuple, dict] | None:
    """The arguments of a written call with its tensors, or None while one of them is not made yet."""
    missing = False

    def value(x):
        nonlocal missing
        if not isinstance(x, dict):
            return [value(item) for item in x] if isinstance(x, list) else x
        if x.get("class_name") != "__keras_tensor__":
            return deserialize(x) if "class_name" in x else {key: value(item) for key, item in x.items()}
        name, call, index = x["config"]["keras_history"]
        done = calls[_known(made, name)]
        if call >= len(done):
            missing = True
            return None
        return tree.flatten(done[call])[index]

    args, kwargs = tuple(map(value, node["args"])), {key: value(item) for key, item in node["kwargs"].items()}
    return None if missing else (args, kwargs)


def _map_keys(tensor: Any, structure: Any) -> Any:
    if isinstance(structure, dict):
        return {key: _map_keys(tensor, item) for key, item in structure.items()}
    if len(structure) == 3 and isinstance(structure[0], str):
        return tensor(structure)
    return [_map_keys(tensor, item) for item in structure]


FUNCTIONAL_KEYS = ("layers", "input_layers", "output_layers")


def is_functional_config(config: dict[str, Any]) -> bool:
    """Whether a model's configuration is a graph."""
    return all(key in config for key in FUNCTIONAL_KEYS)
