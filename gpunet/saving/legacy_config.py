"""Configurations of `.h5` files as `.keras` files have them: with modules, and calls with arguments.

Keras 3 leaves the modules of layers out there; Keras 2 also wrote other names, shapes of inputs with each layer, and
calls as lists of tensors.
"""

from __future__ import annotations

from typing import Any

from gpunet.layers import catalog as layer_catalog
from gpunet.models.op_config import is_op_class

_INNER = ("layer", "backward_layer", "cell")


def modern_config(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a model.

    Raises:
        ValueError: if it is not one.
    """
    if not isinstance(config.get("class_name"), str) or not isinstance(config.get("config"), dict | list):
        raise ValueError(f"expected the configuration of a model. Received: {config!s:.80}")
    return _layer(config)


def _layer(layer: Any) -> dict[str, Any]:
    """The configuration of a layer, or of a model in a model."""
    if not isinstance(layer, dict) or not isinstance(layer.get("class_name"), str) or "config" not in layer:
        raise ValueError(f"expected the configuration of a layer. Received: {layer!s:.80}")
    if "module" in layer:
        return layer
    inner = layer["config"]
    if isinstance(inner, list):  # a Sequential of early versions
        inner = {"name": layer.get("name", "sequential"), "layers": inner}
    if not isinstance(inner, dict):
        raise ValueError(f"expected the configuration of a layer. Received: {layer!s:.80}")
    inner = _arguments(layer["class_name"], inner)
    found = layer | {"config": inner, "registered_name": layer["class_name"]}
    found["module"] = _module(layer["class_name"], inner)
    return found


def _module(name: str, config: dict[str, Any]) -> str | None:
    """The module of a class: ops and layers may have the same name, and layers have a dtype."""
    if layer_catalog.find(name) is not None and (name == "InputLayer" or "dtype" in config or "trainable" in config):
        return "keras.layers"
    return "keras.src.ops.numpy" if is_op_class(name) else None


def _arguments(name: str, config: dict[str, Any]) -> dict[str, Any]:
    found = dict(config)
    shape = found.pop("batch_input_shape", None)
    if shape is not None and name == "InputLayer":
        found["batch_shape"] = shape
    if isinstance(found.get("axis"), list) and len(found["axis"]) == 1:
        found["axis"] = found["axis"][0]
    for key in _INNER:
        if isinstance(found.get(key), dict):
            found[key] = _layer(found[key])
    for key in ("layers", "cells"):
        if isinstance(found.get(key), list):
            found[key] = _members(found[key])
    return found


def _members(layers: list) -> list[dict[str, Any]]:
    """The layers of a model; the shape that Keras 2 gave to the first of a stack becomes an input."""
    found = [_layer(layer) for layer in layers]
    classes = {layer.get("name"): layer["class_name"] for layer in found}
    for layer in found:
        if "inbound_nodes" in layer:
            layer["inbound_nodes"] = [_call(node, classes) for node in layer["inbound_nodes"]]
    first = layers[0]["config"] if layers and isinstance(layers[0]["config"], dict) else {}
    shape = first.get("batch_input_shape")
    if shape is None or found[0]["class_name"] == "InputLayer":
        return found
    config = {"batch_shape": shape, "dtype": first.get("dtype", "float32"), "name": f"{first.get('name')}_input"}
    return [{"module": "keras.layers", "class_name": "InputLayer", "config": config, "registered_name": None}, *found]


def _call(node: Any, classes: dict[Any, str]) -> Any:
    """A call whose tensors were a list of (layer, call, output, other arguments)."""
    if not isinstance(node, list):
        return node
    if not all(isinstance(item, list) and len(item) in (3, 4) for item in node):
        raise ValueError(f"expected the tensors of a call. Received: {node!s:.80}")
    tensors = [_tensor(item, classes) for item in node]
    kwargs = node[0][3] if node and len(node[0]) == 4 else {}
    return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": kwargs}


def _tensor(key: list, classes: dict[Any, str]) -> dict[str, Any]:
    """A tensor; models in models counted a call of their own before all others."""
    layer, call, output = key[:3]
    own = classes.get(layer) in ("Functional", "Model")
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, call - own, output]}}


def modern_training_config(config: dict[str, Any]) -> dict[str, Any]:
    """What `compile` takes, as a configuration."""
    found = {key: _object(config.get(key), "keras.losses") for key in ("loss",)}
    found |= {key: _object(config.get(key), "keras.metrics") for key in ("metrics", "weighted_metrics")}
    found["optimizer"] = _object(config.get("optimizer_config", "rmsprop"), "keras.optimizers")
    found["loss_weights"] = config.get("loss_weights")
    return found


def _object(value: Any, module: str) -> Any:
    """A structure of objects with the module that their kind is from."""
    if isinstance(value, list):
        return [_object(item, module) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value or "config" not in value:
        return {key: _object(item, module) for key, item in value.items()}
    return {"module": module, "registered_name": value["class_name"]} | value
