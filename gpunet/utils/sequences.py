"""Sequences of different lengths, and windows of long ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet import tree
from gpunet.data import PyDataset
from gpunet.data.arrays import as_array_leaf, check_lengths


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences as one array (samples, maxlen, ...), filled up or cut to the same length.

    Args:
        maxlen: that of the longest where None.
        padding, truncating: "pre" or "post", at the beginning or the end.
        value: what to fill up with.

    Raises:
        ValueError: on other modes, items that are not sequences, or of different shapes.
    """
    for name, mode in (("padding", padding), ("truncating", truncating)):
        if mode not in ("pre", "post"):
            raise ValueError(f"{name} must be 'pre' or 'post'. Received: {name}={mode!r}")
    if not hasattr(sequences, "__len__") or not all(hasattr(item, "__len__") for item in sequences):
        raise ValueError(f"`sequences` must be a list of sequences. Received: {sequences!r:.100}")
    if isinstance(value, str) and np.dtype(dtype).kind not in "OSU":
        raise ValueError(f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)}")
    length = max(map(len, sequences), default=0) if maxlen is None else maxlen
    shape = next((np.asarray(item).shape[1:] for item in sequences if len(item)), ())
    found = np.full((len(sequences), length, *shape), value, dtype=dtype)
    for i, item in enumerate(sequences):
        if not len(item) or not length:
            continue
        kept = np.asarray(item[-length:] if truncating == "pre" else item[:length], dtype=dtype)
        if kept.shape[1:] != shape:
            raise ValueError(
                f"Shape of sample {kept.shape[1:]} of sequence at position {i} is different from expected shape {shape}"
            )
        place = slice(length - len(kept), None) if padding == "pre" else slice(len(kept))
        found[i, place] = kept
    return found


def check_format(format: Any) -> None:
    """Raise ValueError unless it is one of Keras's kinds of datasets, which here all are `PyDataset`s."""
    if format not in ("tf", "grain"):
        raise ValueError(f'`format` should be either `"tf"` or `"grain"`. Received: format={format!r}')


class _Windows(PyDataset):
    """Batches of windows that begin at given places."""

    def __init__(self, data: Any, targets: Any, starts: np.ndarray, offsets: np.ndarray, batch_size: int):
        super().__init__()
        self.data, self.targets, self.starts, self.offsets, self.batch_size = data, targets, starts, offsets, batch_size

    def __len__(self) -> int:
        return -(-len(self.starts) // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        starts = self.starts[index * self.batch_size : (index + 1) * self.batch_size]
        windows = self.data[starts[:, None] + self.offsets]
        return windows if self.targets is None else (windows, self.targets[starts])


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> PyDataset:
    """A dataset of windows of a long series: window i is `data[i : i + sequence_length]` with target `targets[i]`.

    Args:
        targets: one for each place of the data, or None.
        sequence_stride: the distance between the beginnings of windows.
        sampling_rate: the distance between the samples of a window.
        batch_size: windows per batch; all in one where None.
        shuffle, seed: the order of the windows.
        start_index, end_index: the part of the data to use.
        format: "tf" or "grain", Keras's kinds of datasets; here it is a `PyDataset` for both.

    Raises:
        ValueError: if a number is not positive, or the data are shorter than a window.
    """
    check_format(format)
    for name, number in (
        ("sequence_length", sequence_length),
        ("sequence_stride", sequence_stride),
        ("sampling_rate", sampling_rate),
    ):
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
            raise ValueError(f"{name} must be a positive integer. Received: {name}={number!r}")
    data = np.asarray(data)
    first, end = start_index or 0, len(data) if end_index is None else end_index
    if not 0 <= first < end <= len(data):
        raise ValueError(
            f"start_index and end_index must be within the data. Received: start_index={start_index}, "
            f"end_index={end_index}, {len(data)} samples"
        )
    last = end - (sequence_length - 1) * sampling_rate
    if targets is not None:
        targets = np.asarray(targets)
        last = min(last, first + len(targets), len(targets))
    starts = np.arange(first, last, sequence_stride)
    if not len(starts):
        raise ValueError(f"the data are shorter than one window. Received: {end - first} samples")
    if shuffle:
        np.random.default_rng(seed).shuffle(starts)
    return _Windows(data, targets, starts, np.arange(sequence_length) * sampling_rate, batch_size or len(starts))


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Any, Any]:
    """Two parts of arrays, or of a list or tuple of arrays with the same number of samples.

    Args:
        left_size, right_size: of the parts, a number of samples (int) or a share (float); one of them may be None.
        shuffle, seed: choose at random rather than from the beginning.
        preferred_backend: "tensorflow", "torch" or None, Keras's kinds of datasets; here the parts are arrays.

    Raises:
        ValueError: if the sizes do not fit.
    """
    arrays = tree.map_structure(as_array_leaf, dataset)
    count = check_lengths(arrays)
    left, right = (_size(x, count) for x in (left_size, right_size))
    left = (count - right if right is not None else None) if left is None else left
    if left is None:
        raise ValueError("At least one of `left_size` and `right_size` must be specified. Received: neither")
    right = count - left if right is None else right
    if left < 1 or right < 1 or left + right > count:
        raise ValueError(
            f"the sizes do not fit a dataset of {count} samples. Received: left_size={left_size}, "
            f"right_size={right_size}"
        )
    order = np.random.default_rng(seed).permutation(count) if shuffle else np.arange(count)
    parts = order[:left], order[left : left + right]
    one, other = (tree.map_structure(lambda x, part=part: x[part], arrays) for part in parts)
    return one, other


def _size(size: float | None, count: int) -> int | None:
    if size is None or isinstance(size, int):
        return size
    if not 0 < size < 1:
        raise ValueError(f"a share must be between 0 and 1. Received: {size}")
    return round(size * count)
