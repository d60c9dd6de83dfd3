"""Rows of an array that are copied only when it is known where to."""

from __future__ import annotations

from typing import Any

import numpy as np


class Rows:
    """`array[index]`, to be: a batch of samples that a recorded step takes straight into its own storage.

    Args:
        array: a NumPy array whose rows are contiguous in memory.
        index: integers in its range.
    """

    __slots__ = ("array", "dtype", "index", "shape")

    def __init__(self, array: np.ndarray, index: np.ndarray):
        self.array = array
        self.index = index
        self.shape = (len(index), *array.shape[1:])
        self.dtype = array.dtype

    def taken(self) -> np.ndarray:
        """The rows as an array of their own."""
        return self.array.take(self.index, 0)

    def take_into(self, out: np.ndarray) -> None:
        """Copy the rows into a contiguous array of this shape and dtype."""
        self.array.take(self.index, 0, out, "clip")  # any other mode goes through a copy

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.taken().astype(dtype or self.dtype, copy=False)
