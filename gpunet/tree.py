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
