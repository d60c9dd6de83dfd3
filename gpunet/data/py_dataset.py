"""The base of datasets that are read batch by batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any


class PyDataset:
    """A dataset with a number of batches, `len(dataset)`, and `dataset[i]`, batch i as `(x, y)` or `(x, y, weights)`.

    `fit` reads the batches in random order where `shuffle` is true, and calls `on_epoch_begin` and `on_epoch_end`.

    Args:
        workers: how many threads read batches ahead; with 1, batches are read when they are needed.
        use_multiprocessing: as Keras has it; the workers are threads all the same.
        max_queue_size: how many batches may be ahead.

    Example:
        >>> class Files(gpunet.utils.PyDataset):
        ...     def __init__(self, paths):
        ...         super().__init__()
        ...         self.paths = paths
        ...     def __len__(self):
        ...         return len(self.paths)
        ...     def __getitem__(self, i):
        ...         with np.load(self.paths[i]) as file:
        ...             return file["x"], file["y"]
    """

    workers = 1
    max_queue_size = 10

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __len__(self) -> int:
        raise NotImplementedError("A PyDataset implements __len__(self), the number of batches.")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError("A PyDataset implements __getitem__(self, index), a batch.")

    def __iter__(self) -> Iterator[Any]:
        """The batches in order, once; without end where `num_batches` is None."""
        count = self.num_batches
        return (self[i] for i in (itertools.count() if count is None else range(count)))

    @property
    def num_batches(self) -> int | None:
        """The number of batches."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch, e.g. to shuffle."""
