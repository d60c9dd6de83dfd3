"""Whole models in one HDF5 file, `model.h5`: Keras's format before `.keras`, which it still reads and writes.

Weights lie in groups by layer, in the order that lists of names in attributes tell; the configurations of the model
and of `compile` are JSON texts in attributes of the file.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.losses import catalog as loss_catalog
from gpunet.saving.config_check import check_config, making
from gpunet.saving.hdf5 import Reader
from gpunet.saving.legacy_config import modern_config, modern_training_config
from gpunet.serialization import (
    check_known,
    custom_object_scope,
    deserialize,
    object_sharing_scope,
    safe_mode_scope,
    serialize,
)
from gpunet.symbolic.operation import snake_case
from gpunet.utils.atomic import replacing

SUFFIXES = (".h5", ".hdf5")
KERAS_VERSION = "3.15.1"  # whose format this is
ATTRIBUTE = 64_000  # bytes that one attribute may have
TOP = "top_level_model_weights"
Weights = list[tuple[str, list[np.ndarray]]]


def save_h5(model: Any, filepath: Any, include_optimizer: bool = True) -> None:
    """Write a model, its weights, and how it was compiled with the optimizer's state, to an `.h5` file."""
    import h5py

    with object_sharing_scope():
        config = serialize(model)
    with replacing(filepath) as raw, h5py.File(raw, "w") as file:
        file.attrs["keras_version"] = KERAS_VERSION
        file.attrs["backend"] = "gpunet"
        name = config["registered_name"] or config["class_name"]
        file.attrs["model_config"] = json.dumps({"class_name": name, "config": config["config"]})
        _write_layers(file.create_group("model_weights"), model)
        if include_optimizer and getattr(model, "compiled", False):
            file.attrs["training_config"] = json.dumps(_training_config(model))
            _write_optimizer(file, model.optimizer)


def _training_config(model: Any) -> dict[str, Any]:
    config = dict(model.get_compile_config())
    optimizer = serialize(model.optimizer)
    kind = optimizer["registered_name"] or optimizer["class_name"]
    config.pop("optimizer")
    config["loss"] = _as_classes(config["loss"])
    return config | {"optimizer_config": {"class_name": kind, "config": optimizer["config"]}}


def _as_classes(loss: Any) -> Any:
    """Losses named by a function as the class of it: Keras finds no such function in this format."""
    if isinstance(loss, list):
        return [_as_classes(item) for item in loss]
    if isinstance(loss, dict) and "class_name" not in loss:
        return {key: _as_classes(item) for key, item in loss.items()}
    function = getattr(loss_catalog.find(loss), "__name__", None) if isinstance(loss, str) else None
    cls = next((c for c in loss_catalog.entries.values() if isinstance(c, type) and _is_class_of(c, function)), None)
    return loss if cls is None else {"class_name": cls.__name__, "config": {"name": function}}


def _is_class_of(cls: type, function: str | None) -> bool:
    return function is not None and snake_case(cls.__name__) == snake_case(function)


def _write_layers(group: Any, model: Any) -> None:
    group.attrs["backend"] = "gpunet"
    group.attrs["keras_version"] = KERAS_VERSION
    _write_names(group, "layer_names", [layer.name for layer in _layers(model)])
    for layer in sorted(_layers(model), key=lambda layer: layer.name):
        _write_arrays(group.create_group(layer.name), [(v.path, v.numpy()) for v in _weights_of(layer)])
    _write_arrays(group.create_group(TOP), [(v.path, v.numpy()) for v in _own(model)])


def _write_optimizer(file: Any, optimizer: Any) -> None:
    arrays: dict[str, np.ndarray] = {}
    optimizer.save_own_variables(arrays)
    named = [(v.path, arrays[str(i)]) for i, v in enumerate(optimizer.variables)]
    _write_arrays(file.create_group("optimizer_weights"), named)


def _write_arrays(group: Any, named: list[tuple[str, np.ndarray]]) -> None:
    """Write arrays under unique names, which an attribute lists in order."""
    used: dict[str, int] = {}
    names = []
    for name, array in named:
        used[name] = used.get(name, -1) + 1
        names.append(f"{name}_{used[name]}" if used[name] else name)
        group.create_dataset(names[-1], data=array)
    _write_names(group, "weight_names", names)


def _write_names(group: Any, key: str, names: list[str]) -> None:
    """Write a list of texts as one attribute, or as several where it is long."""
    encoded = [name.encode() for name in names]
    longest = max(map(len, encoded), default=1)
    room = max(1, ATTRIBUTE // longest)
    if len(encoded) <= room:
        group.attrs[key] = encoded
        return
    for i in range(0, len(encoded), room):
        group.attrs[f"{key}{i // room}"] = encoded[i : i + room]


def load_h5(filepath: Any, custom_objects: dict[str, Any] | None, compile: bool, safe_mode: bool) -> Any:
    """The model of an `.h5` file; all of it is read and checked before the model is made.

    Raises:
        ValueError: if the file is damaged, unsafe, or needs something unknown; or if its weights do not fit.
    """
    with custom_object_scope(custom_objects or {}), safe_mode_scope(safe_mode), object_sharing_scope():
        config, training, weights, moments = _read(filepath)
        with making(str(filepath)):
            check_config(config, str(filepath))
            check_known(training)
            model = deserialize(config)
        known = {layer.name for layer in _layers(model) if _weights_of(layer)}
        alike = known == {name for name, arrays in weights if arrays and name != TOP}
        _assign(_named(model, weights) if alike else _matched(model, weights), False)
        if compile and training:
            with making(str(filepath)):
                model.compile_from_config(training)
            _restore(model, moments)
    return model


def _read(filepath: Any) -> tuple[Any, Any, Weights, list[np.ndarray]]:
    """The configurations of model and training, the weights and the optimizer's state."""
    reader = Reader(Path(filepath), str(filepath))
    try:
        text = reader.text("model_config")
        if text is None:
            raise ValueError(f"{filepath}: no model config was found; if it has weights only, use `load_weights`.")
        config = modern_config(_parsed(text, filepath))
        training = _parsed(reader.text("training_config") or "null", filepath)
        moments = _arrays(reader, "optimizer_weights") if reader.has("optimizer_weights") else []
        weights = _read_layers(reader, "model_weights")
        return config, None if training is None else modern_training_config(training), weights, moments
    except OSError as error:
        raise ValueError(f"{filepath} is damaged. Received: {error}") from None
    finally:
        reader.close()


def _parsed(text: str, filepath: Any) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{filepath}: its configuration is not JSON. Received: {error}") from None
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"{filepath}: its configuration is not that of a model. Received: {found!s:.80}")
    return found


def _read_layers(reader: Reader, path: str) -> Weights:
    """The arrays of each layer by the layer's name, those of the model itself last."""
    if not reader.has(path):
        raise ValueError(f"{reader.what}: it has no weights of a model.")
    prefix = f"{path}/" if path else ""
    names = [*reader.texts(path, "layer_names"), *[TOP] * reader.has(prefix + TOP)]
    return [(name, _arrays(reader, prefix + name)) for name in names]


def _arrays(reader: Reader, path: str) -> list[np.ndarray]:
    return [reader.array(f"{path}/{name}") for name in reader.texts(path, "weight_names")]


def _restore(model: Any, moments: list[np.ndarray]) -> None:
    """Set the optimizer's state, if it is that of this optimizer: Keras 2 kept another."""
    if not moments:
        return
    wanted = [tuple(v.shape) for v in model.optimizer.variables]
    if [array.shape for array in moments] == wanted:
        model.optimizer.load_own_variables({str(i): array for i, array in enumerate(moments)})
    elif len(moments) > 2:
        warnings.warn("The optimizer's state in the file does not fit: the optimizer starts anew.", stacklevel=4)


def is_legacy(filepath: Any) -> bool:
    """Whether a file lists its weights by layer, as files of Keras 2 also do where their name says otherwise."""
    reader = Reader(Path(filepath), str(filepath))
    try:
        return reader.has("model_weights") or bool(reader.texts("", "layer_names"))
    finally:
        reader.close()


def load_h5_weights(model: Any, filepath: Any, by_name: bool = False, skip_mismatch: bool = False) -> None:
    """Set weights from an `.h5` file of a model or of weights: layer by layer in order, or by the layers' names.

    Raises:
        ValueError: if the file is damaged or unsafe, or does not fit; the model is as it was then.
    """
    reader = Reader(Path(filepath), str(filepath))
    try:
        weights = _read_layers(reader, "model_weights" if reader.has("model_weights") else "")
    finally:
        reader.close()
    _assign(_named(model, weights) if by_name else _matched(model, weights), skip_mismatch)


Match = tuple[str, list[Any], list[np.ndarray]]


def _matched(model: Any, weights: Weights) -> Iterator[Match]:
    """Layers with weights and what the file has for them, in order."""
    found = [(name, arrays) for name, arrays in weights if arrays and name != TOP]
    layers = [layer for layer in _layers(model) if _weights_of(layer)]
    if len(found) != len(layers):
        raise ValueError(
            f"Layer count mismatch when loading weights from file. Model expected {len(layers)} layers, found "
            f"{len(found)} saved layers."
        )
    for k, (layer, (_, arrays)) in enumerate(zip(layers, found)):
        yield f"layer #{k} (named {layer.name})", _weights_of(layer), arrays
    yield from ((f"top-level model {model.name}", _own(model), arrays) for name, arrays in weights if name == TOP)


def _named(model: Any, weights: Weights) -> Iterator[Match]:
    """Layers of the names that the file has; others are left as they are."""
    layers = {layer.name: layer for layer in _layers(model)}
    for k, (name, arrays) in enumerate(weights):
        if name in layers:
            yield f"layer #{k} (named {name})", _weights_of(layers[name]), arrays
        elif name == TOP:
            yield f"top-level model {model.name}", _own(model), arrays


def _assign(matches: Iterator[Match], skip_mismatch: bool) -> None:
    """Check all, then set all."""
    pairs, problems = [], []
    for name, variables, arrays in matches:
        if len(variables) != len(arrays):
            problems.append(
                f"Weight count mismatch for {name}. Layer expects {len(variables)} weight(s). Received {len(arrays)} "
                f"saved weight(s)"
            )
            continue
        for variable, array in zip(variables, arrays):
            if tuple(variable.shape) == array.shape:
                pairs.append((variable, array))
            else:
                problems.append(
                    f"Shape mismatch in {name} for weight {variable.path}. Weight expects shape "
                    f"{tuple(variable.shape)}. Received saved weight with shape {array.shape}"
                )
    if problems and not skip_mismatch:
        raise ValueError("The file does not fit the model; nothing was changed.\n" + "\n".join(problems[:20]))
    for variable, array in pairs:
        variable.assign(array)
    if problems:
        warnings.warn("Left out while loading weights:\n" + "\n".join(problems), stacklevel=4)


def _layers(model: Any) -> list[Any]:
    return list(getattr(model, "layers", []))


def _weights_of(layer: Any) -> list[Any]:
    """The weights in this format's order, the trainable ones first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _own(model: Any) -> list[Any]:
    """The weights of the model that no layer has."""
    own = model._ordered_own()
    return [v for v in own if v.trainable] + [v for v in own if not v.trainable]
