"""`clone_model`: the same architecture with new layers and new weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet import tree
from gpunet.layers.core.input_layer import Input, InputLayer
from gpunet.layers.layer import Layer
from gpunet.models.functional import Functional
from gpunet.models.graph import copy_op
from gpunet.models.sequential import Sequential
from gpunet.serialization import custom_object_scope, safe_mode_scope
from gpunet.symbolic import KerasTensor, OpCall


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Any:
    """A model like another with new layers, whose weights are initialised anew; compiled, if the other is.

    Args:
        model: a functional or Sequential model, or a subclassed one that can be made from its configuration.
        input_tensors: symbolic tensors to build on, in the structure of the model's inputs; new ones where None.
        clone_function: makes the copy of each layer but inputs; from its configuration where None.
        call_function: calls each copy, `call_function(layer, *args, **kwargs)`, so that it can put layers before or
            after it; for functional models.
        recursive: clone nested models by the same rules, rather than by `clone_function`.

    Raises:
        ValueError: for a subclassed model with one of the other arguments, a Sequential one with `call_function`, or
            if the number of inputs differs.
    """
    found = _cloned(model, input_tensors, clone_function, call_function, recursive)
    if getattr(model, "compiled", False) and not found.compiled:
        with custom_object_scope(_own_objects(model)), safe_mode_scope(False):
            found.compile_from_config(model.get_compile_config())
    return found


def _own_objects(model: Any) -> dict[str, Any]:
    """The functions, and the classes of the objects, that the model was compiled with."""
    given = [model._given_to_compile.get(key) for key in ("optimizer", "loss", "metrics", "weighted_metrics")]
    leaves = [x for x in tree.flatten(given) if x is not None and not isinstance(x, str)]
    return {x.__name__: x for x in (leaf if hasattr(leaf, "__name__") else type(leaf) for leaf in leaves)}


def _cloned(model: Any, input_tensors: Any, clone_function: Any, call_function: Any, recursive: bool) -> Any:
    clone = clone_function or _from_config
    if recursive:
        clone = _recursively(clone_function, call_function)
    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError(f"`call_function` argument is not supported with Sequential models. Received: {model}")
        return _clone_sequential(model, input_tensors, clone)
    if isinstance(model, Functional):
        return _clone_functional(model, input_tensors, clone, call_function or _call)
    if any(x is not None for x in (input_tensors, clone_function, call_function)):
        raise ValueError(
            f"clone_model: input_tensors, clone_function and call_function are for functional and Sequential models. "
            f"Received: {model}"
        )
    return _from_config(model)


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    return layer(*args, **kwargs)


def _recursively(clone_function: Callable | None, call_function: Callable | None) -> Callable[[Layer], Layer]:
    """What clones a layer, or a model within a model."""

    def clone(layer: Layer) -> Layer:
        if isinstance(layer, Sequential):
            return clone_model(layer, clone_function=clone_function, recursive=True)
        if isinstance(layer, Functional):
            return clone_model(layer, None, clone_function, call_function, recursive=True)
        return (clone_function or _from_config)(layer)

    return clone


def _from_config(layer: Layer) -> Layer:
    return type(layer).from_config(layer.get_config())


def _clone_sequential(model: Sequential, input_tensors: Any, clone: Callable) -> Sequential:
    entrances = [layer for layer in model._stack if isinstance(layer, InputLayer)]
    copies = [clone(layer) for layer in model._stack if not isinstance(layer, InputLayer)]
    if input_tensors is not None:
        (x,) = _checked_inputs(input_tensors, 1)
        copies = [x._keras_history[0].operation, *copies]
    elif entrances:
        copies = [*map(_from_config, entrances), *copies]
    found = Sequential(copies, trainable=model.trainable, name=model.name)
    if model.built and not found.built:
        found.build(tree.flatten(model.input)[0].shape)
    return found


def _clone_functional(model: Functional, input_tensors: Any, clone: Callable, call: Callable) -> Functional:
    if input_tensors is None:
        new = [Input(batch_shape=x.shape, dtype=x.dtype, name=n) for x, n in zip(model.inputs, model.input_names)]
    else:
        new = _checked_inputs(input_tensors, len(model.inputs))
    tensors = {id(x): y for x, y in zip(model.inputs, new)}
    copies: dict[Any, Any] = {}
    for node in model._nodes:
        operation = node.operation
        args, kwargs = node.substituted(tensors)
        if isinstance(operation, OpCall):
            outputs = copy_op(operation).symbolic_call(args, kwargs)
        else:
            if operation not in copies:
                copies[operation] = clone(operation)
            outputs = call(copies[operation], *args, **kwargs)
        tensors |= {id(x): y for x, y in zip(tree.flatten(node.outputs), tree.flatten(outputs))}
    outputs = tree.map_structure(lambda y: tensors[id(y)], model.output)
    return Functional(tree.pack_like(model.input, new), outputs, name=model.name, trainable=model.trainable)


def _checked_inputs(input_tensors: Any, count: int) -> list[KerasTensor]:
    found = tree.flatten(input_tensors)
    if len(found) != count or not all(isinstance(x, KerasTensor) for x in found):
        raise ValueError(f"input_tensors must be {count} symbolic tensors. Received: {input_tensors!r:.200}")
    return found
