"""Whether the configuration in a file has the form of a model, looked at before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gpunet.models.graph import is_functional_config
from gpunet.serialization import check_known

# What wrong arguments raise, in our constructors or in those of the user's own classes.
_WRONG = (TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError, MemoryError)


def check_config(config: Any, what: str) -> None:
    """Look at all classes and graphs of a configuration.

    Raises:
        ValueError: if a class is unknown, there is code that must not be run, or a graph is none.
    """
    stack = [config]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if "class_name" in item and "config" in item:
                _check_object(item, what)
            if is_functional_config(item):
                _check_graph(item, what)
            stack += item.values()
        elif isinstance(item, list):
            stack += item
    check_known(config)


def _check_object(item: dict[str, Any], what: str) -> None:
    name, registered = item["class_name"], item.get("registered_name")
    if not isinstance(name, str) or not isinstance(registered, str | None):
        _refuse(what, "names of a class", [name, registered])
    if not isinstance(item.get("module"), str | None) or not isinstance(item.get("build_config"), dict | None):
        _refuse(what, "a module and shapes", [item.get("module"), item.get("build_config")])


def _check_graph(config: dict[str, Any], what: str) -> None:
    """The layers of a functional model, the tensors of their calls, and its inputs and outputs."""
    layers = config["layers"]
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        _refuse(what, "a list of layers", layers)
    for layer in layers:
        if not isinstance(layer.get("config"), dict) or not isinstance(layer.get("inbound_nodes"), list):
            _refuse(what, "a layer with its calls", layer)
    names = {layer.get("name", layer["config"].get("name")) for layer in layers if _is_name(layer)}
    for layer in layers:
        for node in layer["inbound_nodes"]:
            if not isinstance(node, dict) or not isinstance(node.get("args"), list):
                _refuse(what, "a call with its arguments", node)
            if not isinstance(node.get("kwargs"), dict):
                _refuse(what, "a call with its arguments", node)
            _check_tensors(node, names, what)
    for key in ("input_layers", "output_layers"):
        _check_keys(config[key], names, what)


def _is_name(layer: dict[str, Any]) -> bool:
    return isinstance(layer.get("name", layer["config"].get("name")), str)


def _check_tensors(node: Any, names: set[str], what: str) -> None:
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack += item
        elif isinstance(item, dict) and item.get("class_name") == "__keras_tensor__":
            inner = item.get("config")
            _check_key(inner.get("keras_history") if isinstance(inner, dict) else inner, names, what)
        elif isinstance(item, dict):
            stack += item.values()


def _check_keys(structure: Any, names: set[str], what: str) -> None:
    if isinstance(structure, dict):
        for item in structure.values():
            _check_keys(item, names, what)
    elif isinstance(structure, list) and structure and isinstance(structure[0], list | dict):
        for item in structure:
            _check_keys(item, names, what)
    else:
        _check_key(structure, names, what)


def _check_key(key: Any, names: set[str], what: str) -> None:
    """Layer, call and output of a tensor."""
    fits = isinstance(key, list) and len(key) == 3 and isinstance(key[0], str) and key[0] in names
    if not fits or not all(type(n) is int and 0 <= n < 1 << 20 for n in key[1:]):
        _refuse(what, "the layer, the call and the output of a tensor", key)


def _refuse(what: str, expected: str, found: Any) -> None:
    raise ValueError(f"{what}: its configuration lacks {expected}. Received: {found!s:.200}")


@contextmanager
def making(what: str) -> Iterator[None]:
    """Inside the block, errors that wrong arguments raise say which file they are from.

    Raises:
        ValueError: for them.
    """
    try:
        yield
    except ValueError:
        raise
    except _WRONG as error:
        raise ValueError(
            f"{what}: its configuration does not make a model. Received: {type(error).__name__}: {error!s:.500}"
        ) from error
