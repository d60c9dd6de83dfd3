"""Batches of rows that are copied only when it is known where to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunet import tree

Take = Callable[[np.ndarray], Any]
takers: list[Callable[[np.ndarray, np.ndarray], Take | None]] = []
"""Each may give a quicker function that copies rows by their numbers from one array to another; providers add to it."""


class Table:
    """Arrays of which batches of one size are rows. Such batches differ in nothing else.

    Args:
        parts: NumPy arrays whose rows are contiguous in memory, or None, in a nested structure.
    """

    __slots__ = ("__weakref__", "_places", "_takes", "arrays", "parts")

    def __init__(self, parts: Any):
        self.parts = parts
        self.arrays = [array for array in tree.flatten(parts) if array is not None]
        self._places: Sequence[np.ndarray] | None = None
        self._takes: list[Take] = []

    def takes(self, places: Sequence[np.ndarray]) -> list[Take]:
        """For each array a function that copies rows to its place, ready for the batches that follow."""
        if self._places is not places:
            self._places, self._takes = places, [_taking(*pair) for pair in zip(self.arrays, places)]
        return self._takes


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
        if type(where) is slice:
            for array, place in zip(self.table.arrays, places):
                np.copyto(place, array[where])
        else:
            for take in self.table.takes(places):
                take(where)


def _taking(array: np.ndarray, place: np.ndarray) -> Take:
    """A function that copies the rows of these numbers to `place`."""
    for taker in takers:
        found = taker(array, place)
        if found is not None:
            return found
    return lambda where: array.take(where, 0, place, "clip")  # any other mode goes through a copy


def cut(array: np.ndarray, where: slice | np.ndarray) -> np.ndarray:
    """Some rows of an array: a view for a slice, else a copy."""
    return array[where] if type(where) is slice else array.take(where, 0)
