"""Which objects of a model have state in files, and under which paths: as Keras names them.

An object's children are its attributes in alphabetical order, private ones last, `layers` of functional and Sequential
models first; `names_in_files` of a class has other names for some. Members of containers are named by their class,
`dense`, `dense_1`, … An object that is met again is left out.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from gpunet.layers.layer import Layer
from gpunet.models import Functional, Model, Sequential
from gpunet.optimizers.optimizer import Optimizer
from gpunet.random import SeedGenerator
from gpunet.symbolic.operation import snake_case

_STATEFUL = (Layer, Optimizer, SeedGenerator)
Seen = dict[int, Any]  # objects by id, held so that no other gets the id of one that properties made for the moment


def saveables(root: Any, without: Any = None) -> Iterator[tuple[str, Any]]:
    """(path, object) of everything with state but some objects, the root with path "" first."""
    yield from _walk(root, "", {id(item): item for item in without or ()})


def _walk(item: Any, path: str, seen: Seen) -> Iterator[tuple[str, Any]]:
    if id(item) in seen:
        return
    seen[id(item)] = item
    yield path, item
    for name, child in _children(item):
        yield from _visit(child, f"{path}/{name}" if path else name, seen)


def _visit(child: Any, path: str, seen: Seen) -> Iterator[tuple[str, Any]]:
    if isinstance(child, _STATEFUL):
        yield from _walk(child, path, seen)
    elif isinstance(child, list | tuple | dict) and id(child) not in seen:
        seen[id(child)] = child
        used: dict[str, int] = {}
        for member in child.values() if isinstance(child, dict) else child:
            if isinstance(member, (*_STATEFUL, list, tuple, dict)):
                yield from _visit(member, f"{path}/{_unique(_base_name(member), used)}", seen)


def _base_name(member: Any) -> str:
    return snake_case(type(member).__name__) if isinstance(member, _STATEFUL) else "container"


def _unique(name: str, used: dict[str, int]) -> str:
    used[name] = used.get(name, -1) + 1
    return f"{name}_{used[name]}" if used[name] else name


def _children(item: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(item, SeedGenerator):
        return
    if isinstance(item, Functional | Sequential):
        yield "layers", item.layers
    own = {name for name in vars(item) if name not in _inherited(_base(item))}
    own |= {"layers"} if isinstance(item, Model) else set()
    written = getattr(type(item), "names_in_files", {})
    found = {written.get(name, name): getattr(item, name) for name in own}
    yield from sorted(found.items(), key=lambda pair: f"~{pair[0]}" if pair[0].startswith("_") else pair[0])


def _base(item: Any) -> type:
    return next(cls for cls in (Sequential, Functional, Model, Layer, Optimizer) if isinstance(item, cls))


@functools.cache
def _inherited(base: type) -> frozenset[str]:
    """Attributes that every object of a kind has, whose state is written elsewhere."""
    if base is Functional:
        from gpunet.layers import Input

        x = Input((1,), name="example")
        example: Any = Functional(x, x, name="example")
    else:
        example = base(0.0, name="example") if base is Optimizer else base(name="example")
    compiled = {"_compile_loss", "_compile_metrics", "_loss_tracker", "_stepper", "_given_to_compile", "_fitting"}
    return frozenset(vars(example)) | compiled | {"layers", "_kept_lists"}
