"""How a layer is built: what the shapes of its first inputs decide, and how a file keeps them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from gpunet.autograd.variable import name_scope, scopes
from gpunet.layers.calling import build_shapes
from gpunet.layers.weights import WeightOwner
from gpunet.symbolic import KerasTensor, infer_output


def is_default(method: Callable) -> bool:
    """Whether a method of a layer is that of the base class, as `default` marks it."""
    return getattr(method, "_is_default", False)


def default(method: Callable) -> Callable:
    """Mark a method of a base class, so that overriding can be noticed."""
    method._is_default = True  # type: ignore[attr-defined]
    return method


def _wrap_build(build: Callable) -> Callable:
    """Let `build` run in the layer's name scope, and note that the layer is built when the outermost returns."""

    @functools.wraps(build)
    def wrapped(self, *args, **kwargs):
        outermost = not self.__dict__.get("_building", False)
        if not outermost:
            return build(self, *args, **kwargs)
        object.__setattr__(self, "_building", True)
        try:
            with name_scope(self.name, caller=self):
                object.__setattr__(self, "_path", "/".join(scopes.names))
                object.__setattr__(self, "_built_path", self._path)
                result = build(self, *args, **kwargs)
        finally:
            object.__setattr__(self, "_building", False)
        self._after_build(args, kwargs)
        return result

    return wrapped


class Buildable(WeightOwner):
    """The part of `Layer` that makes its variables, from the shapes of its inputs."""

    name: str
    call: Callable
    _path: str
    _shapes_dict: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _wrap_build(cls.__dict__["build"])  # type: ignore[method-assign]

    @default
    def build(self, input_shape: Any) -> None:
        """Make the variables; called once, with the shape of the first input."""
        if type(self).build is Buildable.build and any(not layer.built for layer in self._layers):
            warnings.warn(
                f"`build()` was called on layer '{self.name}', however the layer does not have a `build()` method "
                f"implemented and it looks like it has unbuilt state: its sub-layers are built when it is first "
                f"called, or in a `build()` of your own.",
                stacklevel=3,
            )
        self._after_build((input_shape,), {})

    def _after_build(self, args: tuple, kwargs: dict) -> None:
        self.built = True
        shapes = dict(zip(("input_shape",), args)) | kwargs
        object.__setattr__(self, "_shapes_dict", as_declared(shapes))
        self._tracker.locked = (
            f"You cannot add new elements of state (variables) to a layer that is already built. All state must be "
            f"created in the `__init__()` method or in the `build()` method. Layer: {self.name!r}"
        )

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes the layer was built with, or None: `input_shape`, or several by name in `shapes_dict`."""
        shapes = {k: v for k, v in self._shapes_dict.items() if v is not None}
        if not self.built or not shapes:
            return None
        return {"input_shape": next(iter(shapes.values()))} if len(shapes) == 1 else {"shapes_dict": shapes}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build with the shapes of `get_build_config`."""
        if "input_shape" in config:
            self.build(_as_shape(config["input_shape"]))
        else:
            self.build(**{name: _as_shape(shape) for name, shape in config["shapes_dict"].items()})

    def _build_for(self, arguments: dict, tensors: dict, signature: Any) -> None:
        """Build with the shapes of the call; a layer without `build` is built by running `call` without data."""
        if not is_default(type(self).build):
            self.build(**build_shapes(self.build, tensors, arguments, self.name))
            return
        if any(not layer.built for layer in self._layers):
            rest = arguments.get(signature.rest, {})
            with name_scope(self.name, caller=self):
                infer_output(self.call, (), {k: v for k, v in arguments.items() if k != signature.rest} | rest)
        self._after_build((next(iter(build_shapes(self.build, tensors, arguments, self.name).values())),), {})


def _is_shape(x: Any) -> bool:
    return isinstance(x, list | tuple) and all(n is None or isinstance(n, int) for n in x)


def _as_shape(x: Any) -> Any:
    """Shapes as tuples, wherever they are in a structure that JSON turned into lists."""
    return tuple(x) if _is_shape(x) else _map_shapes(tuple, x)


def _map_shapes(function: Callable, x: Any) -> Any:
    if _is_shape(x):
        return function(x)
    if isinstance(x, dict):
        return {k: _map_shapes(function, v) for k, v in x.items()}
    return type(x)(_map_shapes(function, v) for v in x) if isinstance(x, list | tuple) else x


def as_declared(shapes: Any) -> Any:
    """Shapes with None in the place of what stands for unknown sizes while shapes are inferred."""
    if scopes.stand_in is None:
        return shapes
    return _map_shapes(lambda shape: tuple(None if n == scopes.stand_in else n for n in shape), shapes)


def symbolic_like(shape: Any, dtype: str) -> Any:
    return _map_shapes(lambda s: KerasTensor(s, dtype), shape)
