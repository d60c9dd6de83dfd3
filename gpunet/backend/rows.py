"""Batches of rows that are copied only when it is known where to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet import tree


class Table:
    """Arrays of which batches of one size are rows. Such batches differ in nothing else.

    Args:
        parts: NumPy arrays whose rows are contiguous in memory, or None, in a nested structure.
    """

    __slots__ = ("__weakref__", "arrays", "parts")

    def __init__(self, parts: Any):
        self.parts = parts
        self.arrays = [array for array in tree.flatten(parts) if array is not None]


class Rows:
    """The same rows of all arrays of a table, to be: a batch that a recorded step takes straight into its own storage.

    Args:
        where: a slice, or integers in the arrays' range.
    """

    __slots__ = ("table", "where")

    def __init__(self, table: Table, where: slice | np.ndarray):
        self.table = table
        self.where = where

    def taken(self) -> Any:
        """Arrays of these rows in the structure of the table: views for a slice, else copies."""
        return tree.map_structure(lambda array: None if array is None else cut(array, self.where), self.table.parts)

    def take_into(self, places: Sequence[np.ndarray]) -> None:
        """Copy the rows into contiguous arrays of their shapes and dtypes, in the order of the table's."""
        where = self.where
        for array, place in zip(self.table.arrays, places):
            if type(where) is slice:
                np.copyto(place, array[where])
            else:
                array.take(where, 0, place, "clip")  # any other mode goes through a copy


def cut(array: np.ndarray, where: slice | np.ndarray) -> np.ndarray:
    """Some rows of an array: a view for a slice, else a copy."""
    return array[where] if type(where) is slice else array.take(where, 0)
