"""Batches cut from arrays in memory."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunet import tree
from gpunet.autograd.tensor import Tensor, raw
from gpunet.backend.devices import device_of, to_device
from gpunet.backend.primitive import is_array_type
from gpunet.backend.rows import Rows, Table, cut
from gpunet.data.batch import pack_batch
from gpunet.random import permutation


def as_array_leaf(x: Any) -> Any:
    """A NumPy or CuPy array for anything array-like (a pandas object, a torch tensor, a list of numbers).

    Raises:
        ValueError: if it holds no numbers.
    """
    x = raw(x)
    if x is None:
        return None
    array = x if is_array_type(type(x)) else np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        raise ValueError(f"expected an array of real numbers. Received: {type(x).__name__} of dtype {array.dtype}")
    return array


def is_array_like(x: Any) -> bool:
    """True for what `as_array_leaf` accepts as one array: it has a shape, or is a pandas object."""
    return isinstance(x, Tensor) or (hasattr(x, "shape") and hasattr(x, "dtype")) or hasattr(x, "to_numpy")


def positive(name: str, value: Any) -> int:
    """The argument as an int; raise ValueError unless it is an integer above 0."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a positive integer. Received: {name}={value!r}")
    return int(value)


def check_lengths(x: Any, y: Any = None, sample_weight: Any = None) -> int:
    """The common number of samples.

    Raises:
        ValueError: if the arrays have different lengths, or none.
    """
    counts = {leaf.shape[:1] for leaf in tree.flatten((x, y, sample_weight)) if leaf is not None}
    if len(counts) == 1 and (0,) not in counts and () not in counts:
        return int(counts.pop()[0])
    if () in counts:
        raise ValueError("expected arrays with a first axis, the samples. Received: a scalar")
    if len(counts) > 1:
        parts = {"x": x, "y": y, "sample_weight": sample_weight}
        sizes = {name: _lengths(part) for name, part in parts.items() if part is not None}
        raise ValueError(
            f"Data cardinality is ambiguous: make sure all arrays contain the same number of samples. "
            f"Received: {'; '.join(f'{name} sizes: {listed}' for name, listed in sizes.items())}"
        )
    raise ValueError("expected at least one sample. Received: empty arrays")


def _lengths(structure: Any) -> str:
    return ", ".join(str(x.shape[0]) for x in tree.flatten(structure) if x is not None)


def split_validation(arrays: tuple, validation_split: float) -> tuple[tuple, tuple]:
    """The first and the last part of (x, y, sample_weight), the last being `validation_split` of the samples.

    Raises:
        ValueError: if the data are not arrays, the share is not in (0, 1), or a part would be empty.
    """
    leaves = [a for a in tree.flatten(arrays) if a is not None]
    if not all(is_array_like(a) for a in leaves):
        raise ValueError(
            f"Argument `validation_split` is only supported for arrays. "
            f"Received: {sorted({type(a).__name__ for a in leaves})}"
        )
    arrays = tree.map_structure(as_array_leaf, arrays)
    count = check_lengths(*arrays)
    cut = math.floor(count * (1.0 - validation_split))
    if not 0 < validation_split < 1 or cut in (0, count):
        raise ValueError(
            f"Training data contains {count} samples, which is not sufficient to split it into a validation and "
            f"training set as specified by `validation_split={validation_split}`. Either provide more data, or a "
            f"different value for the `validation_split` argument."
        )

    def part(a, b):
        return tuple(tree.map_structure(lambda x: None if x is None else x[a:b], s) for s in arrays)

    return part(0, cut), part(cut, count)


class ArrayBatches:
    """Epochs of batches from (x, y, sample_weight), each an array or a structure of arrays.

    Args:
        shuffle: a new order every epoch, the same on every device for the same seed; "batch" shuffles whole batches.
    """

    def __init__(self, arrays: tuple, batch_size: int | None, shuffle: bool | str):
        self.arrays = tree.map_structure(as_array_leaf, arrays)
        self.count = check_lengths(*self.arrays)
        self.batch_size = 32 if batch_size is None else positive("batch_size", batch_size)
        self.shuffle = shuffle
        self.num_batches: int | None = -(-self.count // self.batch_size)

    def epoch(self) -> Iterator[tuple]:
        """The batches of one epoch as (x, y, sample_weight)."""
        for where in self._places():
            yield tuple([tree.map_structure(functools.partial(_cut, where=where), part) for part in self.arrays])

    def rows(self) -> Iterator[Rows] | None:
        """The batches of one epoch, each to be cut where it is used; None where only their own library can cut them."""
        if all(_is_plain(leaf) for leaf in tree.flatten(self.arrays)):
            return self._rows()
        return None

    def _rows(self) -> Iterator[Rows]:
        tables: dict[int, Table] = {}
        for where in self._places():
            size = where.stop - where.start if type(where) is slice else len(where)
            if size not in tables:
                tables[size] = Table(pack_batch(*self.arrays))
            yield Rows(tables[size], where)

    def _places(self) -> Iterator[Any]:
        """Which samples are in each batch: slices, or arrays of their numbers."""
        starts = range(0, self.count, self.batch_size)
        if self.shuffle and self.shuffle != "batch":
            order = permutation(self.count)
            for start in starts:
                yield order[start : start + self.batch_size]
            return
        for number in permutation(len(starts)).tolist() if self.shuffle else range(len(starts)):
            yield slice(starts[number], min(self.count, starts[number] + self.batch_size))


def _is_plain(x: Any) -> bool:
    """Whether rows can be copied as they are: other arrays of NumPy would be copied as a whole first."""
    return x is None or (type(x) is np.ndarray and x.flags.c_contiguous)


def _cut(x: Any, where: slice | np.ndarray) -> Any:
    """Some rows of an array, or None."""
    if x is None:
        return None
    if _is_plain(x):
        return cut(x, where)
    return x[where if type(where) is slice else to_device(where, device_of(x))]
