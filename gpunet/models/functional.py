"""Functional models: a graph of layer calls between symbolic inputs and outputs."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import Any

from gpunet import ops, tree
from gpunet.autograd.tensor import Tensor
from gpunet.backend.dtypes import is_float
from gpunet.layers.core.input_layer import InputLayer
from gpunet.layers.input_spec import InputSpec, assert_input_compatibility
from gpunet.layers.layer import Layer
from gpunet.models.graph import GraphWriter, entrance_of, nodes_between, ordered_operations
from gpunet.models.model import Model
from gpunet.models.plan import Plan
from gpunet.symbolic import KerasTensor, Node


class Functional(Model):
    """A model from symbolic inputs to symbolic outputs: `Model(inputs, outputs)`.

    Inputs and outputs may be one tensor, or a list or dict of them; data come and go in the same structure. Layers may
    be shared, and models used as layers.

    Raises:
        ValueError: if outputs do not depend on the inputs alone, or inputs are not symbolic tensors.
    """

    _inputs_struct: Any
    _outputs_struct: Any
    _flat_inputs: list[KerasTensor]
    _flat_outputs: list[KerasTensor]
    _nodes: list[Node]
    _operations: list[Any]
    _entrances: list[InputLayer]
    _plan: Plan

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any):
        trainable = kwargs.pop("trainable", None)
        flat_inputs, flat_outputs = tree.flatten(inputs), tree.flatten(outputs)
        for x in [*flat_inputs, *flat_outputs]:
            if not isinstance(x, KerasTensor):
                raise ValueError(
                    f"All `inputs` and `outputs` values must be KerasTensors. Received: {x!r:.100} of type {type(x)}"
                )
        Layer.__init__(self, name=name, **kwargs)
        if trainable is not None:  # before there are layers, which keep their own
            self.trainable = trainable
        object.__setattr__(self, "_inputs_struct", tree.map_structure(lambda x: x, inputs))
        object.__setattr__(self, "_outputs_struct", tree.map_structure(lambda x: x, outputs))
        object.__setattr__(self, "_flat_inputs", flat_inputs)
        object.__setattr__(self, "_flat_outputs", flat_outputs)
        nodes = nodes_between(flat_inputs, flat_outputs)
        object.__setattr__(self, "_nodes", nodes)
        object.__setattr__(self, "_plan", Plan(flat_inputs, flat_outputs, nodes))
        self._fitting: Any = None  # sample shape and dtype of a sole input that needed no adjustment
        entrances = list(map(entrance_of, flat_inputs))
        object.__setattr__(self, "_entrances", entrances)
        operations = ordered_operations(flat_inputs, entrances, flat_outputs, nodes)
        _check_names(operations)
        object.__setattr__(self, "_operations", operations)
        for operation in operations:
            if isinstance(operation, Layer):
                self._tracker.track(operation)
        self.input_names = [layer.name for layer in entrances]
        self.output_names = _unique_names(
            [y._keras_history[0].operation.name if y._keras_history else y.name for y in flat_outputs]
        )
        self._after_build((tree.map_structure(lambda x: x.shape, inputs),), {})

    @property
    def inputs(self) -> list[KerasTensor]:
        return list(self._flat_inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        return list(self._flat_outputs)

    @property
    def input(self) -> Any:
        return self._inputs_struct

    @property
    def output(self) -> Any:
        return self._outputs_struct

    @property
    def input_shape(self) -> Any:
        return _shape_of(self._inputs_struct)

    @property
    def output_shape(self) -> Any:
        return _shape_of(self._outputs_struct)

    @property
    def operations(self) -> list[Any]:
        """Layers and ops in the order in which they run, inputs first."""
        return list(self._operations)

    @property
    def fusions(self) -> list[tuple[str, ...]]:
        """The names of layers and ops that are computed together; `gpunet.config.disable_fusion` ends that."""
        return [fusion.names for fusion in self._plan.fusions if fusion.holds()]

    @property
    def input_spec(self) -> Any:
        """What each input must look like, by the shapes it was declared with; None for dicts in dicts."""
        names, struct = self.input_names, self._inputs_struct
        if isinstance(struct, dict):
            names = tree.sorted_keys(struct)
            if any(tree.is_nested(struct[name]) for name in names):
                return None
        return [
            InputSpec(shape=(None, *x.shape[1:]), allow_last_axis_squeeze=True, name=name, optional=entrance.optional)
            for x, name, entrance in zip(self._flat_inputs, names, self._entrances)
        ]

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        if value is not None:
            raise AttributeError("the input_spec of a functional model follows from its inputs")

    def _check_inputs(self, first: Any) -> None:
        self._refuse_missing(tree.flatten(first))
        spec = self.input_spec
        if spec is not None:
            assert_input_compatibility(spec, first, self.name)

    def _refuse_missing(self, flat: list[Any]) -> None:
        for x, entrance in zip(flat, self._entrances):
            if x is None and not entrance.optional:
                raise ValueError(
                    f"The input '{entrance.name}' is not optional, but None was passed. Please provide a valid tensor."
                )

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if type(inputs) is Tensor and (inputs.shape[1:], inputs.dtype) == self._fitting:
            values: list[Any] = [inputs]
        else:
            values = [self._adjusted(x, i) for i, x in enumerate(self._arranged(inputs))]
            if values[0] is inputs:
                object.__setattr__(self, "_fitting", (inputs.shape[1:], inputs.dtype))
        if mask is not None:
            for x, m in zip(values, tree.flatten(mask)):
                if m is not None:
                    x._keras_mask = m
        results = self._plan.run(values, training)
        if isinstance(self._outputs_struct, KerasTensor):
            return results[0]
        return _unpacked(tree.pack_like(self._outputs_struct, results))

    def _arranged(self, inputs: Any) -> list[Any]:
        """The inputs in the order of the model's own, from its structure or a dict by input name.

        Raises:
            ValueError: if there are others.
        """
        if type(inputs) is Tensor and len(self._flat_inputs) == 1:
            return [inputs]
        struct = self._inputs_struct
        if isinstance(struct, dict) and isinstance(inputs, dict):
            inputs = {key: inputs[key] for key in struct if key in inputs}
        elif isinstance(inputs, dict) and all(name in inputs for name in self.input_names):
            inputs = [inputs[name] for name in self.input_names]
        elif isinstance(inputs, dict) or (isinstance(struct, dict) and list(struct) != tree.sorted_keys(struct)):
            self._refuse_structure(inputs)
        flat = tree.flatten(inputs)
        if len(flat) != len(self._flat_inputs):
            self._refuse_structure(inputs)
        self._refuse_missing(flat)
        return flat

    def _refuse_structure(self, inputs: Any) -> None:
        def described(x):
            return "None" if x is None else f"Tensor(shape={tuple(x.shape)})"

        expected = tree.map_structure(lambda x: x.name, self._inputs_struct)
        raise ValueError(
            f"The structure of `inputs` doesn't match the expected structure.\nExpected: {expected}\n"
            f"Received: inputs={tree.map_structure(described, inputs)}"
        )

    def _adjusted(self, x: Any, place: int) -> Any:
        """An input in the declared dtype and rank: a last axis of size 1 may be missing, or be there in addition.

        Raises:
            ValueError: if it has another rank.
        """
        symbol = self._flat_inputs[place]
        if x is None:
            return None
        if x.dtype != symbol.dtype and (is_float(symbol.dtype) or not is_float(x.dtype)):
            x = ops.cast(x, symbol.dtype)
        gap = len(symbol.shape) - len(x.shape)
        if gap == 0:
            return x
        if gap == 1 and symbol.shape[-1] == 1:
            return ops.expand_dims(x, -1)
        if gap == -1 and x.shape[-1] == 1:
            return ops.squeeze(x, -1)
        path = ".".join(map(str, tree.flatten_with_path(self._inputs_struct)[place][0]))
        raise ValueError(
            f"Invalid input shape for input {x!r:.100} with name '{symbol.name}' and path '{path}'. Expected shape "
            f"{symbol.shape}, but input has incompatible shape {tuple(x.shape)}"
        )

    def compute_output_spec(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        same = [
            isinstance(x, KerasTensor) and x.shape == y.shape for x, y in zip(tree.flatten(inputs), self._flat_inputs)
        ]
        if all(same):
            return _unpacked(tree.map_structure(lambda y: KerasTensor(y.shape, y.dtype), self._outputs_struct))
        return super().compute_output_spec(inputs, training=training, mask=mask)

    def get_config(self) -> dict[str, Any]:
        """The graph of layers; of a subclass with a constructor of its own, the arguments of that."""
        if not takes_inputs_and_outputs(type(self)):
            return self._captured_configuration({"name": self.name, "trainable": self.trainable})
        return {"name": self.name, "trainable": self.trainable, **GraphWriter(self).config()}


def as_functional_class(cls: type) -> type:
    """The class of a subclass of Model whose instances turn out to be functional: Functional goes before Model."""
    if issubclass(cls, Functional):
        return cls
    attributes = {"__module__": cls.__module__, "__doc__": cls.__doc__, "_declared_class": cls}
    return type(cls.__name__, (cls, Functional), attributes)


def takes_inputs_and_outputs(cls: type) -> bool:
    """Whether a class is constructed like `Model(inputs, outputs)`, and so can be from a graph."""
    parameters = inspect.signature(cls.__init__).parameters  # type: ignore[misc]  # the class's own is meant
    kinds = {p.kind for p in parameters.values()}
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return list(parameters)[1:3] == ["inputs", "outputs"] or variadic <= kinds


def _check_names(operations: list[Any]) -> None:
    """Raise ValueError if two layers or ops share a name, by which files and `get_layer` find them."""
    for name, count in Counter(operation.name for operation in operations).items():
        if count > 1:
            raise ValueError(
                f'The name "{name}" is used {count} times in the model. All operation names should be unique.'
            )


def _unique_names(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    found = []
    for name in names:
        count = seen.get(name, 0)
        seen[name] = count + 1
        found.append(name if count == 0 else f"{name}_{count}")
    return found


def _shape_of(structure: Any) -> Any:
    return (
        tuple(structure.shape)
        if isinstance(structure, KerasTensor)
        else tree.map_structure(lambda x: tuple(x.shape), structure)
    )


def _unpacked(outputs: Any) -> Any:
    """The only member of a list or tuple, as Keras gives it."""
    return outputs[0] if isinstance(outputs, list | tuple) and len(outputs) == 1 else outputs
