"""Anything that `fit` accepts as epochs of (x, y, sample_weight) batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from gpunet import tree
from gpunet.data.arrays import ArrayBatches, as_array_leaf, is_array_like
from gpunet.data.batch import unpack_batch
from gpunet.data.py_dataset import PyDataset


class Batches(Protocol):
    """A source of epochs: `num_batches` is None where it is unknown.

    One that can also give an epoch as `Rows` has a method `rows` for it, which returns None where it cannot.
    """

    num_batches: int | None

    def epoch(self) -> Iterator[tuple]: ...


class IndexedBatches:
    """Batches from an object with `len` and `[i]`, such as a PyDataset; its epoch hooks are called."""

    def __init__(self, source: Any, shuffle: bool):
        self.source = source
        self.shuffle = shuffle
        self.num_batches: int | None = len(source)

    def epoch(self) -> Iterator[tuple]:
        from gpunet.random import permutation

        if hasattr(self.source, "on_epoch_begin"):
            self.source.on_epoch_begin()
        order = permutation(len(self.source)) if self.shuffle else range(len(self.source))
        for data in self._read(list(map(int, order))):
            yield as_batch(data)
        if hasattr(self.source, "on_epoch_end"):
            self.source.on_epoch_end()

    def _read(self, order: list[int]) -> Iterator[Any]:
        """The batches in this order, read ahead by threads where the source asks for several."""
        workers = getattr(self.source, "workers", 1)
        if workers <= 1:
            yield from map(self.source.__getitem__, order)
            return
        ahead = max(workers, getattr(self.source, "max_queue_size", 10))
        with ThreadPoolExecutor(workers) as pool:
            queue = deque(pool.submit(self.source.__getitem__, i) for i in order[:ahead])
            try:
                for i in range(len(order)):
                    data = queue.popleft().result()
                    queue.extend(pool.submit(self.source.__getitem__, j) for j in order[i + ahead : i + ahead + 1])
                    yield data
            finally:
                for future in queue:
                    future.cancel()


class IterableBatches:
    """Batches from an iterable: one that can be started again (a DataLoader, a dataset) or a generator, read on."""

    def __init__(self, source: Any):
        self.source = source
        self.one_pass = iter(source) is source
        try:
            self.num_batches: int | None = len(source)
        except TypeError:
            self.num_batches = None

    def epoch(self) -> Iterator[tuple]:
        for data in self.source:
            yield as_batch(data)


def as_batch(data: Any) -> tuple:
    """A batch of arrays of any library as (x, y, sample_weight) of NumPy or CuPy arrays."""
    parts = []
    for part in unpack_batch(data):
        listed = isinstance(part, list) and part and isinstance(part[0], int | float)
        parts.append(as_array_leaf(part) if listed else tree.map_structure(as_array_leaf, part))
    return tuple(parts)


def make_batches(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    class_weight: Any = None,
    output_names: list[str] | None = None,
) -> Batches:
    """The batches of arrays, or of a generator, PyDataset, DataLoader or other iterable of batches.

    Raises:
        ValueError: if `y` or `sample_weight` is given beside an iterable of batches, the lengths differ, or the data
            are empty.
        TypeError: if `x` is none of these.
    """
    batches: Batches
    if _is_arrays(x):
        x, y, sample_weight = (_listed_numbers(part) for part in (x, y, sample_weight))
        batches = ArrayBatches((x, y, sample_weight), batch_size, shuffle)
    else:
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(f"`{name}` cannot be given when `x` is a {type(x).__name__} that yields batches.")
        indexed = hasattr(x, "__getitem__") and hasattr(x, "__len__") and not hasattr(x, "__iter__")
        if indexed or isinstance(x, PyDataset):
            batches = IndexedBatches(x, bool(shuffle))
        elif hasattr(x, "__iter__"):
            batches = IterableBatches(x)
        else:
            raise TypeError(f"expected arrays or an iterable of batches. Received: {type(x).__name__}")
    return batches if class_weight is None else WeightedBatches(batches, class_weight, output_names)


def one_batch(
    x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, output_names: list[str] | None = None
) -> tuple:
    """All samples as one batch, (x, y, sample_weight); arguments and errors are those of `make_batches`."""
    alone = y is None and sample_weight is None and class_weight is None
    if alone and type(x) is np.ndarray and x.ndim and x.size and x.dtype.kind in "fiub":
        return x, None, None
    return next(make_batches(x, y, sample_weight, 2**62, False, class_weight, output_names).epoch())


def _is_arrays(x: Any) -> bool:
    leaves = tree.flatten(x)
    return bool(leaves) and all(is_array_like(leaf) or isinstance(leaf, int | float) for leaf in leaves)


def _listed_numbers(x: Any) -> Any:
    """A nested list of numbers as one array; lists of arrays (several inputs) stay lists."""
    if isinstance(x, list | tuple) and x and not any(is_array_like(leaf) for leaf in tree.flatten(x)):
        return np.asarray(x, dtype="float32" if isinstance(tree.flatten(x)[0], float) else None)
    return x


class WeightedBatches:
    """Batches whose sample weights come from the classes of their labels.

    Args:
        class_weight: a weight for each class; of several outputs, a dict or list of such dicts, in the structure of
            the labels or by the names of outputs.
        output_names: the names of the outputs, in the order of the labels.

    Raises:
        ValueError: if the weights are no such dict, or when read, if they do not fit the labels or there are sample
            weights already.
    """

    def __init__(self, batches: Batches, class_weight: Any, output_names: list[str] | None = None):
        self.batches = batches
        self.num_batches = batches.num_batches
        self.one_pass = getattr(batches, "one_pass", False)
        if not isinstance(class_weight, dict | list | tuple):
            raise ValueError(f"class_weight must be a dict from class to weight. Received: {class_weight!r}")
        several = isinstance(class_weight, list | tuple) or any(isinstance(v, dict) for v in class_weight.values())
        self.tables: Any = class_weight if several else None
        self.table = {} if several else _table(class_weight)
        self.names = output_names

    def epoch(self) -> Iterator[tuple]:
        for x, y, sample_weight in self.batches.epoch():
            if sample_weight is not None:
                raise ValueError("You cannot `class_weight` and `sample_weight` at the same time.")
            yield x, y, self._of_outputs(y) if self.tables is not None else self._of_output(y)

    def _of_output(self, y: Any) -> np.ndarray:
        if y is None or (tree.is_nested(y) and len(tree.flatten(y)) != 1):
            raise ValueError(
                "`class_weight` for several outputs must be a dict of them by the names of the outputs, or a list. "
                "Received: a single dict from class to weight"
            )
        return _weights(tree.flatten(y)[0], self.table)

    def _of_outputs(self, y: Any) -> Any:
        """Weights in the structure of the labels; None for an output without."""
        keys = list(y) if isinstance(y, dict) else range(len(y)) if isinstance(y, list | tuple) else None
        if keys is None:
            raise ValueError(
                f"`class_weight` for one array of labels must be a dict from class to weight. Received: {self.tables!r}"
            )
        names = keys if isinstance(y, dict) else (self.names or keys)
        given = self.tables if isinstance(self.tables, dict) else dict(zip(names, self.tables))
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(f"`class_weight` has no output {unknown[0]!r} to weigh. Outputs: {list(names)}")
        found = {
            key: None if given.get(name) is None else _weights(y[key], _table(given[name]))
            for key, name in zip(keys, names)
        }
        return found if isinstance(y, dict) else list(found.values())


def _table(class_weight: Any) -> dict[int, float]:
    if not isinstance(class_weight, dict):
        raise ValueError(f"class_weight must be a dict from class to weight. Received: {class_weight!r}")
    return {int(k): float(v) for k, v in class_weight.items()}


def _weights(y: Any, table: dict[int, float]) -> np.ndarray:
    """The weight of each sample by its label, an integer or one-hot."""
    labels = y.get() if hasattr(y, "get") else np.asarray(y)
    if labels.ndim > 1 and labels.shape[-1] > 1:
        labels = labels.argmax(axis=-1)
    labels = np.rint(labels.reshape(labels.shape[0], -1)[:, 0] if labels.ndim > 1 else labels).astype("int64")
    return np.array([table.get(label, 1.0) for label in labels.tolist()], "float32")
