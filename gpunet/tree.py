"""Nested structures of dicts, lists and tuples: flatten, rebuild, map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def is_nested(structure: Any) -> bool:
    """True for a dict, list or tuple."""
    return isinstance(structure, dict | list | tuple)


def flatten(structure: Any) -> list:
    """The leaves in order; the keys of dicts are visited sorted, as in Keras."""
    leaves: list = []
    _collect(structure, leaves)
    return leaves


def _collect(structure: Any, leaves: list) -> None:
    if isinstance(structure, dict):
        for key in sorted_keys(structure):
            _collect(structure[key], leaves)
    elif isinstance(structure, list | tuple):
        for item in structure:
            _collect(item, leaves)
    else:
        leaves.append(structure)


def sorted_keys(mapping: dict) -> list:
    """Keys in sorted order, or in their own order where they do not compare."""
    try:
        return sorted(mapping)
    except TypeError:
        return list(mapping)


def pack_like(structure: Any, leaves: list) -> Any:
    """`leaves` arranged in the shape of `structure`.

    Raises:
        ValueError: if their number differs.
    """
    queue = iter(leaves)
    try:
        packed = _pack(structure, queue)
    except StopIteration:
        raise ValueError("too few leaves for the structure") from None
    if next(queue, queue) is not queue:
        raise ValueError("too many leaves for the structure")
    return packed


def _pack(structure: Any, queue: Iterator) -> Any:
    if isinstance(structure, dict):
        values = {key: _pack(structure[key], queue) for key in sorted_keys(structure)}
        return type(structure)((key, values[key]) for key in structure)
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*[_pack(item, queue) for item in structure])
    if isinstance(structure, list | tuple):
        return type(structure)([_pack(item, queue) for item in structure])
    return next(queue)


def map_structure(function: Callable, *structures: Any) -> Any:
    """Apply `function` to corresponding leaves; the result has the first structure's shape.

    Raises:
        ValueError: if the structures have different numbers of leaves.
    """
    if len(structures) == 1:
        return _map(function, structures[0])
    leaves = [flatten(s) for s in structures]
    if len({len(x) for x in leaves}) > 1:
        raise ValueError(f"structures differ. Received: {[len(x) for x in leaves]} leaves")
    return pack_like(structures[0], [function(*items) for items in zip(*leaves)])


def _map(function: Callable, structure: Any) -> Any:
    """The same for one structure, in one pass."""
    if isinstance(structure, dict):
        values = {key: _map(function, structure[key]) for key in sorted_keys(structure)}
        return type(structure)((key, values[key]) for key in structure)
    if isinstance(structure, list | tuple):
        items = [_map(function, item) for item in structure]
        return type(structure)(*items) if hasattr(structure, "_fields") else type(structure)(items)
    return function(structure)


pack_sequence_as = pack_like


def map_structure_up_to(shallow: Any, function: Callable, *structures: Any) -> Any:
    """Apply `function` to what the structures have at the leaves of `shallow`."""
    parts = [_flatten_up_to(shallow, structure) for structure in structures]
    return pack_like(shallow, [function(*items) for items in zip(*parts)])


def _flatten_up_to(shallow: Any, structure: Any) -> list:
    if isinstance(shallow, dict):
        return [x for key in sorted_keys(shallow) for x in _flatten_up_to(shallow[key], structure[key])]
    if isinstance(shallow, list | tuple):
        return [x for item, part in zip(shallow, structure, strict=True) for x in _flatten_up_to(item, part)]
    return [structure]


def flatten_with_path(structure: Any) -> list[tuple[tuple, Any]]:
    """(path, leaf) pairs in the order of `flatten`; a path has the keys and indices that lead to the leaf."""
    if isinstance(structure, dict):
        parts: Any = ((key, structure[key]) for key in sorted_keys(structure))
    elif isinstance(structure, list | tuple):
        parts = enumerate(structure)
    else:
        return [((), structure)]
    return [((key, *path), leaf) for key, part in parts for path, leaf in flatten_with_path(part)]


def assert_same_structure(a: Any, b: Any) -> None:
    """Raise ValueError unless both have the same containers at the same places."""
    same = type(a) is type(b) or not (is_nested(a) or is_nested(b))
    if same and is_nested(a):
        same = (sorted_keys(a) == sorted_keys(b)) if isinstance(a, dict) else len(a) == len(b)
    if not same:
        raise ValueError(f"`a` and `b` don't have the same structure. Received: a={a!r:.200}, b={b!r:.200}")
    if is_nested(a):
        for key in sorted_keys(a) if isinstance(a, dict) else range(len(a)):
            assert_same_structure(a[key], b[key])


def lists_to_tuples(structure: Any) -> Any:
    """The structure with tuples in the place of lists."""
    if isinstance(structure, dict):
        return type(structure)((key, lists_to_tuples(value)) for key, value in structure.items())
    if isinstance(structure, list):
        return tuple(map(lists_to_tuples, structure))
    if isinstance(structure, tuple):
        items = map(lists_to_tuples, structure)
        return type(structure)(*items) if hasattr(structure, "_fields") else tuple(items)
    return structure


def map_shape_structure(function: Callable, structure: Any) -> Any:
    """Apply `function` to every shape, a tuple or list of ints and None, in a structure."""
    if isinstance(structure, list | tuple) and all(n is None or isinstance(n, int) for n in structure):
        return function(tuple(structure))
    if isinstance(structure, dict):
        return {key: map_shape_structure(function, value) for key, value in structure.items()}
    return type(structure)(map_shape_structure(function, item) for item in structure)


def traverse(function: Callable, structure: Any, top_down: bool = True) -> Any:
    """Give every part of the structure, containers too, to `function`; what it returns, unless None, stands for it."""
    if top_down:
        found = function(structure)
        if found is not None:
            return found
    if isinstance(structure, dict):
        values = {key: traverse(function, structure[key], top_down) for key in sorted_keys(structure)}
        structure = type(structure)((key, values[key]) for key in structure)
    elif isinstance(structure, list | tuple):
        items = [traverse(function, item, top_down) for item in structure]
        structure = type(structure)(*items) if hasattr(structure, "_fields") else type(structure)(items)
    if top_down:
        return structure
    found = function(structure)
    return structure if found is None else found
