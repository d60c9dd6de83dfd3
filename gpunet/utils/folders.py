"""Datasets of the files in a folder, whose subfolders are the classes: pictures, texts and sounds alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.data import PyDataset
from gpunet.random import permutation
from gpunet.utils.sequences import check_format


class FileBatches(PyDataset):
    """Batches of what is read from files, with their labels. `class_names` and `file_paths` say what is in it."""

    def __init__(self, paths: list[str], labels: Any, names: list[str], batch_size: int, read: Callable):
        super().__init__()
        self.file_paths = paths
        self.labels = labels
        self.class_names = names
        self.batch_size = batch_size
        self.read = read

    def __len__(self) -> int:
        return -(-len(self.file_paths) // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        x = self.read(self.file_paths[part])
        return x if self.labels is None else (x, self.labels[part])


def dataset_from_directory(
    directory: Any,
    read: Callable[[Sequence[str]], Any],
    suffixes: tuple[str, ...],
    what: str,
    *,
    labels: Any,
    label_mode: str | None,
    class_names: Sequence[str] | None,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
    validation_split: float | None,
    subset: str | None,
    follow_links: bool,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """The files with these suffixes in a folder as `FileBatches`, or a pair of them for the subset "both".

    Args:
        read: paths → the batch of what is in the files.
        what: the files are, for messages.
        labels: "inferred" from the subfolders, a list of integers in the order of the files' paths, or None.
        label_mode: "int" (int32), "categorical" (one-hot), "binary" (float32, one column) or None for no labels.
        class_names: the subfolders, in the order of the labels; sorted where None.
        batch_size: files per batch; all in one where None.
        shuffle, seed: the order of the files; sorted by their paths otherwise.
        validation_split: the share of the files, from the end, that are the validation part.
        subset: "training", "validation" or "both" (a pair), with `validation_split`.
        format: "tf" or "grain", Keras's kinds of datasets; here it is a `PyDataset` for both.
        verbose: print how many files and classes were found.

    Raises:
        ValueError: on other modes, or where there is no such file.
    """
    check_format(format)
    _check_modes(labels, label_mode, validation_split, subset, shuffle, seed)
    paths, numbers, names = _index(Path(directory), suffixes, labels, class_names, follow_links)
    if not paths:
        raise ValueError(f"No {what} found in directory {directory}. Allowed formats: {suffixes}")
    encoded = None if numbers is None or label_mode is None else _encode(numbers, label_mode, len(names))
    if verbose:
        classes = "" if encoded is None else f" belonging to {len(names)} classes"
        print(f"Found {len(paths)} files{classes}.")
    order = permutation(len(paths), seed) if shuffle else np.arange(len(paths))
    cut = len(paths) - int((validation_split or 0) * len(paths))

    def part(chosen: np.ndarray) -> FileBatches:
        if not len(chosen):
            raise ValueError(f"a part of the dataset would be empty. Received: {len(paths)} files")
        found = None if encoded is None else encoded[chosen]
        return FileBatches([paths[i] for i in chosen], found, list(names), batch_size or len(chosen), read)

    if subset is None:
        return part(order)
    both = {"training": order[:cut], "validation": order[cut:]}
    if verbose:
        print(*(f"Using {len(both[name])} files for {name}." for name in both if subset in (name, "both")), sep="\n")
    return (part(both["training"]), part(both["validation"])) if subset == "both" else part(both[subset])


def _check_modes(labels, label_mode, validation_split, subset, shuffle, seed) -> None:
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            f"`label_mode` must be 'int', 'categorical', 'binary' or None. Received: label_mode={label_mode!r}"
        )
    if isinstance(labels, str) and labels != "inferred":
        raise ValueError(f"`labels` must be 'inferred', a list or None. Received: labels={labels!r}")
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1. Received: validation_split={validation_split}")
    if (validation_split is None) != (subset is None):
        raise ValueError(
            f"`validation_split` and `subset` go together. Received: validation_split={validation_split}, "
            f"subset={subset!r}"
        )
    if subset not in (None, "training", "validation", "both"):
        raise ValueError(f"`subset` must be 'training', 'validation' or 'both'. Received: subset={subset!r}")
    if subset is not None and shuffle and seed is None:
        raise ValueError("`validation_split` with `shuffle=True` needs a `seed`, so that the parts do not overlap")


def _index(
    folder: Path, suffixes: tuple[str, ...], labels: Any, class_names: Sequence[str] | None, follow_links: bool
) -> tuple[list[str], Any, list[str]]:
    """The files in the order of their paths, the number of each one's class, and the classes."""
    if not folder.is_dir():
        raise ValueError(f"expected a folder. Received: {str(folder)!r}")
    inferred = isinstance(labels, str)
    if class_names is not None and not inferred:
        raise ValueError(f"`class_names` goes with labels='inferred' only. Received: class_names={class_names}")
    if not inferred:
        paths, numbers = _files(folder, suffixes, follow_links), None if labels is None else list(labels)
        names = [] if numbers is None else [str(n) for n in sorted(set(numbers))]
    else:
        names = _classes(folder, class_names)
        found = [(path, i) for i, name in enumerate(names) for path in _files(folder / name, suffixes, follow_links)]
        paths, numbers = [path for path, _ in found], [i for _, i in found]
    if numbers is not None and len(numbers) != len(paths):
        raise ValueError(f"one label per file is needed. Received: {len(numbers)} labels for {len(paths)} files")
    return paths, numbers, names


def _classes(folder: Path, class_names: Sequence[str] | None) -> list[str]:
    there = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if class_names is None:
        return there
    if not set(class_names) <= set(there):
        raise ValueError(f"`class_names` must be subfolders, of {there}. Received: class_names={list(class_names)}")
    return list(class_names)


def _files(folder: Path, suffixes: tuple[str, ...], follow_links: bool) -> list[str]:
    return sorted(
        os.path.join(root, name)
        for root, _, names in os.walk(folder, followlinks=follow_links)
        for name in names
        if name.lower().endswith(suffixes)
    )


def _encode(numbers: Any, label_mode: str, classes: int) -> np.ndarray:
    labels = np.asarray(numbers, "int32")
    if label_mode == "binary":
        if classes != 2:
            raise ValueError(f"label_mode='binary' needs two classes. Received: {classes}")
        return labels.astype("float32")[:, None]
    return labels if label_mode == "int" else np.eye(classes, dtype="float32")[labels]
