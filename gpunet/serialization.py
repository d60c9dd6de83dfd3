"""Objects as configurations and back, in the form that Keras writes, and lookup of objects by name.

A configuration is `{"module": "keras.layers", "class_name": "Dense", "config": {...}, "registered_name": None}`; only
classes that a `Catalog` lists or that were registered can be made from one.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np

from gpunet.autograd.tensor import Tensor
from gpunet.config import is_unsafe_deserialization_enabled
from gpunet.function_code import dump_function, load_function
from gpunet.symbolic.operation import snake_case

_CUSTOM: dict[str, Any] = {}
_CATALOGS: list[Catalog] = []
_SAFE: dict[str, bool | None] = {"mode": None}
_SHARED: dict[str, dict[Any, Any] | None] = {"written": None, "read": None}


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


CustomObjectScope = custom_object_scope


def get_custom_objects() -> dict[str, Any]:
    """All registered classes and functions, by name."""
    return _CUSTOM


def get_registered_object(
    name: str, custom_objects: dict[str, Any] | None = None, module_objects: dict[str, Any] | None = None
) -> Any:
    """The class or function of a registered name, or of one that a dict has; None where there is none."""
    places = (_CUSTOM, custom_objects or {}, module_objects or {})
    return next((place[name] for place in places if name in place), None)


def get_registered_name(obj: Any) -> str:
    """The name under which a class or function was registered, else its own."""
    return registered_name(obj) or obj.__name__


@contextmanager
def safe_mode_scope(safe: bool):
    """Whether, inside the block, Python code in configurations is refused."""
    before = _SAFE["mode"]
    _SAFE["mode"] = safe
    try:
        yield
    finally:
        _SAFE["mode"] = before


@contextmanager
def object_sharing_scope():
    """Inside the block, a layer that is met again is written with its number, and made only once."""
    before = dict(_SHARED)
    _SHARED.update(written={}, read={})
    try:
        yield
    finally:
        _SHARED.update(before)


def in_safe_mode() -> bool:
    """Whether what a configuration names may do nothing but build."""
    return _SAFE["mode"] is not False and not is_unsafe_deserialization_enabled()


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

    def add(self, target: Any, *aliases: str, name: str | None = None) -> Any:
        """List a class or function under its name, its snake_case name and any aliases; return it.

        `name` is what configurations call it, where that is not its name in the code.
        """
        name = name or target.__name__
        self.entries[name] = target
        for alias in (name, snake_case(name), *aliases):
            self._aliases.setdefault(alias, target)
        return target

    def name_of(self, target: Any) -> str | None:
        """The name under which a class or function is listed here, None if it is not."""
        own = getattr(target, "__name__", "")
        if self.entries.get(own) is target:
            return own
        return next((name for name, entry in self.entries.items() if entry is target), None)

    def find(self, name: str) -> Any:
        """The class or function of that name: listed here, or registered by the user; None if there is none."""
        if name in _CUSTOM:
            return _CUSTOM[name]
        custom = [value for key, value in _CUSTOM.items() if name == key.rpartition(">")[2]]
        return self._aliases.get(name, custom[-1] if custom else None)

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


def serialize(obj: Any) -> Any:
    """A value of a configuration as plain data: numbers, strings, lists, dicts and nested configurations."""
    value = obj
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
    if isinstance(value, types.FunctionType) and value.__name__ == "<lambda>":
        return {"class_name": "__lambda__", "config": {"value": dump_function(value)}}
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        return _function_config(value)
    if isinstance(value, bytes):
        return {"class_name": "__bytes__", "config": {"value": value.decode()}}
    if hasattr(value, "get_config"):
        return _object_config(value)
    raise TypeError(f"cannot serialize {type(value).__name__}: give it a get_config() method. Received: {value!r:.80}")


def _catalog_of(target: Any) -> Catalog | None:
    return next((c for c in _CATALOGS if c.name_of(target) is not None), None)


def _function_config(function: Any) -> dict[str, Any] | str:
    name = registered_name(function)
    catalog = _catalog_of(function)
    if name is None and catalog is not None:
        return function.__name__
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name or function.__name__,
        "registered_name": "function",
    }


def _object_config(value: Any) -> dict[str, Any]:
    cls = getattr(type(value), "_declared_class", type(value))
    catalog = _catalog_of(cls)
    config = {
        "module": catalog.module if catalog else cls.__module__,
        "class_name": (catalog.name_of(cls) if catalog else None) or cls.__name__,
        "config": value.get_config(),
        "registered_name": registered_name(cls) or (None if catalog else cls.__name__),
    }
    build_config = value.get_build_config() if hasattr(value, "get_build_config") else None
    if build_config is not None:
        config["build_config"] = serialize(build_config)
    if hasattr(value, "get_compile_config"):
        config["compile_config"] = value.get_compile_config()
    _note_written(value, config)
    return config


def _note_written(value: Any, config: dict[str, Any]) -> None:
    """Mark the configurations of a layer that was written before."""
    written = _SHARED["written"]
    if written is None or not hasattr(value, "get_build_config"):
        return
    first = written.setdefault(id(value), config)
    if first is not config:
        first["shared_object_id"] = config["shared_object_id"] = id(value)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None, safe_mode: bool = True) -> Any:
    """The value that `serialize` made plain data of.

    Args:
        custom_objects: classes and functions by name, where they are not registered.
        safe_mode: refuse Python code, unless a scope around, such as that of `load_model`, says whether to.

    Raises:
        ValueError: if a configuration names a class or function that is neither built in nor registered.
    """
    if custom_objects:
        with custom_object_scope(custom_objects):
            return deserialize(config, None, safe_mode)
    if _SAFE["mode"] is None:
        with safe_mode_scope(safe_mode):
            return deserialize(config)
    if isinstance(config, list):
        return [deserialize(item) for item in config]
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config:
        return {key: deserialize(item) for key, item in config.items()}
    if config["class_name"] in ("__numpy__", "__tensor__"):  # Keras tells its tensors from arrays
        return np.array(config["config"]["value"], config["config"]["dtype"])
    if config["class_name"] == "__lambda__":
        refuse_code()
        inner = config["config"]
        return load_function(*(inner["value"] if "value" in inner else [inner["code"]]), **_rest(inner))
    if config["class_name"] == "__bytes__":
        return config["config"]["value"].encode()
    if config["class_name"] == "__slice__":
        return slice(*(deserialize(config["config"][key]) for key in ("start", "stop", "step")))
    if config["class_name"] == "__ellipsis__":
        return Ellipsis
    if config["class_name"] == "function":
        return _lookup(config["config"], config)
    shared = _SHARED["read"]
    return _made(config) if shared is None else _made_once(config, shared)


def _made_once(config: dict[str, Any], shared: dict[Any, Any]) -> Any:
    """The object of a configuration, made before if its number, or what it is, says so.

    Keras marks objects that it writes again, but in nested models the first of them has no mark in the file: it is one
    of the same class, name and arguments.
    """
    number = config.get("shared_object_id")
    if number not in shared:
        inner = config["config"] if isinstance(config["config"], dict) else {}
        key = (config["class_name"], inner.get("name"))
        before = shared.get(key) if number is not None and "name" in inner else None
        alike = before is not None and _unmarked(before[0]) == _unmarked(inner)
        made = before[1] if before is not None and alike else _made(config)
        if "name" in inner:
            shared[key] = (inner, made)
        if number is None:
            return made
        shared[number] = made
    return shared[number]


def _unmarked(config: Any) -> Any:
    """A configuration without the numbers of shared objects."""
    if isinstance(config, list):
        return [_unmarked(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {key: _unmarked(value) for key, value in config.items() if key != "shared_object_id"}


def _made(config: dict[str, Any]) -> Any:
    """The object of a configuration, built and compiled as it was."""
    cls = _lookup(config["class_name"], config)
    inner = _without_neutral(cls, dict(config["config"]))
    instance = cls.from_config(inner) if hasattr(cls, "from_config") else cls(**inner)
    build_config = config.get("build_config")
    if build_config and any(v is not None for v in build_config.values()) and not getattr(instance, "built", True):
        instance.build_from_config(build_config)
    if config.get("compile_config") and hasattr(instance, "compile_from_config"):
        instance.compile_from_config(config["compile_config"])
    return instance


def _rest(inner: dict[str, Any]) -> dict[str, Any]:
    """Defaults and closure of a lambda, where they have names of their own."""
    return {key: inner[key] for key in ("defaults", "closure") if key in inner}


def _without_neutral(cls: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a built-in class without Keras's own arguments where they are None, False or 0."""
    if not getattr(cls, "__module__", "").startswith("gpunet."):
        return config
    known = set(_parameters(cls))
    return {key: value for key, value in config.items() if key in known or value not in (None, False)}


@functools.cache
def _parameters(cls: type) -> frozenset[str]:
    """The names of all constructor arguments of a class and its bases."""
    found: set[str] = {"layers", "input_layers", "output_layers", "build_input_shape"}
    for base in cls.__mro__[:-1]:
        if "__init__" in vars(base):
            found |= set(inspect.signature(base.__init__).parameters)  # type: ignore[misc]  # the class's own is meant
    return frozenset(found)


class UnknownObject(TypeError, ValueError):
    """A configuration that names what is nowhere known: a TypeError in Keras, though the value is wrong."""


def _lookup(name: str, config: dict[str, Any]) -> Any:
    registered = config.get("registered_name")
    for key in (registered if registered != "function" else None, name):
        if key in _CUSTOM:
            return _CUSTOM[key]
    for catalog in _candidates(config.get("module")):
        found = catalog.find(name)
        if found is not None:
            return found
    raise UnknownObject(
        f"unknown class or function {name!r}: register it with gpunet.saving.register_keras_serializable, or pass it "
        f"in custom_objects. Received: registered_name={registered!r}, module={config.get('module')!r}"
    )


def _candidates(module: str | None) -> list[Catalog]:
    """The catalogs that a class of a module may be in: modules of Keras's backends say the kind only.

    `keras.src.backend.torch.optimizers.torch_adam` → the optimizers. Nothing of other packages is looked up.
    """
    if module in (None, "builtins"):
        return _CATALOGS
    parts = str(module).split(".")
    if parts[0] not in ("keras", "gpunet"):
        return []
    exact = [catalog for catalog in _CATALOGS if catalog.module == module]
    return exact or [catalog for catalog in _CATALOGS if catalog.module.rpartition(".")[2] in parts[1:]]


def check_known(config: Any) -> None:
    """Look up every class and function of a configuration without making anything.

    Raises:
        ValueError: if one is unknown, or there is Python code and it is not allowed.
    """
    stack = [config]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack += item
        elif isinstance(item, dict):
            stack += item.values()
            if "class_name" in item and "config" in item and isinstance(item["class_name"], str):
                _check_one(item)


def _check_one(config: dict[str, Any]) -> None:
    name, module = config["class_name"], str(config.get("module"))
    if name == "__lambda__":
        refuse_code()
    elif name == "function":
        _lookup(config["config"], config)
    elif not name.startswith("__") and not module.startswith(("keras.src.ops.", "gpunet.ops")):
        _lookup(name, config)


def refuse_code() -> None:
    """Raise ValueError unless Python code in configurations may be run: where `safe_mode` is False."""
    if in_safe_mode():
        raise ValueError(
            "the configuration has a Python lambda, which could do anything. Pass safe_mode=False if you trust where "
            "it comes from."
        )
