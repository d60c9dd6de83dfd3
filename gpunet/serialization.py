"""Objects as configurations and back, in the form that Keras writes, and lookup of objects by name.

A configuration is `{"module": "keras.layers", "class_name": "Dense", "config": {...}, "registered_name": None}`; only
classes that a `Catalog` lists or that were registered can be made from one.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np

from gpunet.autograd.tensor import Tensor
from gpunet.symbolic.operation import snake_case

_CUSTOM: dict[str, Any] = {}
_CATALOGS: list[Catalog] = []


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable:
    """Decorator: make a class or function known under `package>name`, so that configurations can mention it."""

    def register(target: Any) -> Any:
        if isinstance(target, type) and not hasattr(target, "get_config"):
            raise ValueError(f"a registered class needs a get_config() method. Received: {target}")
        _CUSTOM[f"{package}>{name or target.__name__}"] = target
        return target

    return register


@contextmanager
def custom_object_scope(custom_objects: dict[str, Any]):
    """Inside the block, configurations may mention these classes and functions by name."""
    before = dict(_CUSTOM)
    _CUSTOM.update(custom_objects)
    try:
        yield
    finally:
        _CUSTOM.clear()
        _CUSTOM.update(before)


def registered_name(target: Any) -> str | None:
    """The name under which a class or function was registered, or None."""
    return next((name for name, value in _CUSTOM.items() if value is target), None)


class Catalog:
    """The built-in classes and functions of one kind, found by name.

    Args:
        kind: what one of them is called in messages, e.g. "initializer".
        module: the Keras module of the kind, e.g. "keras.initializers".
    """

    def __init__(self, kind: str, module: str):
        self.kind = kind
        self.module = module
        self.entries: dict[str, Any] = {}
        self._aliases: dict[str, Any] = {}
        _CATALOGS.append(self)

    def add(self, target: Any, *aliases: str) -> Any:
        """List a class or function under its name, its snake_case name and any aliases; return it."""
        self.entries[target.__name__] = target
        for name in (target.__name__, snake_case(target.__name__), *aliases):
            self._aliases.setdefault(name, target)
        return target

    def find(self, name: str) -> Any:
        """The class or function of that name: listed here, or registered by the user; None if there is none."""
        custom = [value for key, value in _CUSTOM.items() if name in (key, key.rpartition(">")[2])]
        return custom[-1] if custom else self._aliases.get(name)

    def get(self, identifier: Any) -> Any:
        """None as it is, an object as it is, a class or its name as a new instance, a configuration as its object.

        Raises:
            ValueError: if nothing has that name.
        """
        if identifier is None:
            return None
        if isinstance(identifier, dict):
            return deserialize(identifier)
        found = self.find(identifier) if isinstance(identifier, str) else identifier
        if isinstance(found, type):
            return found()
        if callable(found):
            return found
        raise ValueError(
            f"{self.kind} expected an object, a configuration or one of {sorted(self.entries)} (or in snake_case). "
            f"Received: {identifier!r}"
        )


def serialize(value: Any) -> Any:
    """A value of a configuration as plain data: numbers, strings, lists, dicts and nested configurations."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: serialize(item) for key, item in value.items()}
    if hasattr(value, "to_plain"):
        return value.to_plain()
    if isinstance(value, slice):
        parts = {"start": value.start, "stop": value.stop, "step": value.step}
        return {"class_name": "__slice__", "config": serialize(parts)}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, list | tuple):
        return [serialize(item) for item in value]
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, np.ndarray | Tensor):
        array = value.numpy() if isinstance(value, Tensor) else value
        return {
            "class_name": "__numpy__",
            "config": {"value": array.tolist(), "dtype": array.dtype.name},
        }
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        return _function_config(value)
    if hasattr(value, "get_config"):
        return _object_config(value)
    raise TypeError(f"cannot serialize {type(value).__name__}: give it a get_config() method. Received: {value!r:.80}")


def _catalog_of(target: Any) -> Catalog | None:
    return next((c for c in _CATALOGS if c.entries.get(target.__name__) is target), None)


def _function_config(function: Any) -> dict[str, Any] | str:
    name = registered_name(function)
    catalog = _catalog_of(function)
    if name is None and catalog is not None:
        return function.__name__
    return {
        "module": "builtins",
        "class_name": "function",
        "config": function.__name__,
        "registered_name": name or function.__name__,
    }


def _object_config(value: Any) -> dict[str, Any]:
    cls = getattr(type(value), "_declared_class", type(value))
    catalog = _catalog_of(cls)
    config = {
        "module": catalog.module if catalog else cls.__module__,
        "class_name": cls.__name__,
        "config": value.get_config(),
        "registered_name": registered_name(cls) or (None if catalog else cls.__name__),
    }
    build_config = value.get_build_config() if hasattr(value, "get_build_config") else None
    if build_config is not None:
        config["build_config"] = serialize(build_config)
    return config


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The value that `serialize` made plain data of.

    Raises:
        ValueError: if a configuration names a class or function that is neither built in nor registered.
    """
    if custom_objects:
        with custom_object_scope(custom_objects):
            return deserialize(config)
    if isinstance(config, list):
        return [deserialize(item) for item in config]
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config:
        return {key: deserialize(item) for key, item in config.items()}
    if config["class_name"] == "__numpy__":
        return np.array(config["config"]["value"], config["config"]["dtype"])
    if config["class_name"] == "__slice__":
        return slice(*(deserialize(config["config"][key]) for key in ("start", "stop", "step")))
    if config["class_name"] == "__ellipsis__":
        return Ellipsis
    if config["class_name"] == "function":
        return _lookup(config["config"], config)
    cls = _lookup(config["class_name"], config)
    instance = cls.from_config(dict(config["config"])) if hasattr(cls, "from_config") else cls(**config["config"])
    if config.get("build_config") and not getattr(instance, "built", True):
        instance.build_from_config(config["build_config"])
    return instance


def _lookup(name: str, config: dict[str, Any]) -> Any:
    registered = config.get("registered_name")
    for key in (registered, name):
        if key in _CUSTOM:
            return _CUSTOM[key]
    module = config.get("module")
    for catalog in [c for c in _CATALOGS if c.module == module] or _CATALOGS:
        found = catalog.find(name)
        if found is not None:
            return found
    raise ValueError(
        f"unknown class or function {name!r}: register it with gpunet.saving.register_keras_serializable, or pass it "
        f"in custom_objects. Received: registered_name={registered!r}, module={config.get('module')!r}"
    )
