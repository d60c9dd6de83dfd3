"""Nested structures of dicts, lists and tuples: flatten, rebuild, map."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any


class MAP_TO_NONE:
    """What the function of `traverse` returns for None in the place of a part."""


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


def pack_like(structure: Any, flat_sequence: list) -> Any:
    """The leaves `flat_sequence` arranged in the shape of `structure`.

    Raises:
        ValueError: if their number differs.
    """
    queue = iter(flat_sequence)
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


def map_structure(func: Callable, *structures: Any, none_is_leaf: bool = True) -> Any:
    """Apply `func` to corresponding leaves; the result has the first structure's shape.

    Args:
        none_is_leaf: whether `func` sees leaves of the first structure that are None, or they stay as they are.

    Raises:
        ValueError: if the structures have different numbers of leaves.
    """
    if not none_is_leaf:
        return map_structure(lambda x, *rest: None if x is None else func(x, *rest), *structures)
    if len(structures) == 1:
        return _map(func, structures[0])
    leaves = [flatten(s) for s in structures]
    if len({len(x) for x in leaves}) > 1:
        raise ValueError(f"structures differ. Received: {[len(x) for x in leaves]} leaves")
    return pack_like(structures[0], [func(*items) for items in zip(*leaves)])


def _map(func: Callable, structure: Any) -> Any:
    """The same for one structure, in one pass."""
    if isinstance(structure, dict):
        values = {key: _map(func, structure[key]) for key in sorted_keys(structure)}
        return type(structure)((key, values[key]) for key in structure)
    if isinstance(structure, list | tuple):
        items = [_map(func, item) for item in structure]
        return type(structure)(*items) if hasattr(structure, "_fields") else type(structure)(items)
    return func(structure)


pack_sequence_as = pack_like


def map_structure_up_to(shallow_structure: Any, func: Callable, *structures: Any) -> Any:
    """Apply `func` to what the structures have at the leaves of `shallow_structure`."""
    parts = [_flatten_up_to(shallow_structure, structure) for structure in structures]
    return pack_like(shallow_structure, [func(*items) for items in zip(*parts)])


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


def assert_same_paths(a: Any, b: Any) -> None:
    """Raise ValueError unless both have leaves at the same keys and indices, in containers of any type."""
    paths = [[path for path, _ in flatten_with_path(x)] for x in (a, b)]
    if paths[0] != paths[1]:
        only = [[p for p in one if p not in other] for one, other in (paths, paths[::-1])]
        raise ValueError(f"`a` and `b` don't have the same paths. Received: only in a {only[0]}, only in b {only[1]}")


def assert_same_structure(a: Any, b: Any, check_types: Any = None) -> None:
    """Raise ValueError unless both have the same containers at the same places.

    Args:
        check_types: of old versions of Keras, where it had no effect in the end.
    """
    if check_types is not None:
        warnings.warn("check_types has no effect", DeprecationWarning, stacklevel=2)
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


def map_shape_structure(func: Callable, structure: Any) -> Any:
    """Apply `func` to every shape, a tuple or list of ints and None, in a structure."""
    if isinstance(structure, list | tuple) and all(n is None or isinstance(n, int) for n in structure):
        return func(tuple(structure))
    if isinstance(structure, dict):
        return {key: map_shape_structure(func, value) for key, value in structure.items()}
    return type(structure)(map_shape_structure(func, item) for item in structure)


def traverse(func: Callable, structure: Any, top_down: bool = True) -> Any:
    """Give every part of the structure, containers too, to `func`; what it returns, unless None, stands for it.

    `MAP_TO_NONE` stands for None.
    """
    if top_down:
        found = func(structure)
        if found is not None:
            return _none_if_meant(found)
    if isinstance(structure, dict):
        values = {key: traverse(func, structure[key], top_down) for key in sorted_keys(structure)}
        structure = type(structure)((key, values[key]) for key in structure)
    elif isinstance(structure, list | tuple):
        items = [traverse(func, item, top_down) for item in structure]
        structure = type(structure)(*items) if hasattr(structure, "_fields") else type(structure)(items)
    if top_down:
        return structure
    found = func(structure)
    return structure if found is None else _none_if_meant(found)


def _none_if_meant(found: Any) -> Any:
    return None if found is MAP_TO_NONE or isinstance(found, MAP_TO_NONE) else found
