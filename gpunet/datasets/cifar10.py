"""CIFAR-10: colour photographs of 32 × 32 pixels in ten classes, from its binary batches."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from gpunet import config
from gpunet.datasets.folders import cache_folder, candidates, missing_note, not_found
from gpunet.datasets.split import Part, Split

_FOLDERS = ("cifar-10-batches-bin", "cifar10")
_RECORD = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
_TRAIN, _TEST, _NAMES = "data_batch*.bin", "test_batch*.bin", "batches.meta.txt"


def load_data(path: str | os.PathLike | None = None) -> Split:
    """Return `(x_train, y_train), (x_test, y_test)` of CIFAR-10, from the binary batches in a folder.

    All of `data_batch*.bin` and `test_batch*.bin` that are present are read, in the order of their names: 50,000 and
    10,000 images if the dataset is complete. The images are uint8 of shape (n, 32, 32, 3), or (n, 3, 32, 32) where
    `gpunet.config.image_data_format()` says so, the labels uint8 of shape (n, 1).

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", technical report (2009).

    Args:
        path: the folder with the batches. Where it is None: the folder named by the environment variable
            `GPUNET_DATA`, or `cifar-10-batches-bin` or `cifar10` in it, else the cache (`$GPUNET_HOME`, else
            `~/.cache/gpunet`). It is not downloaded.

    Raises:
        FileNotFoundError: if there are no such batches, with all the places that were tried and what to do.
        ValueError: if a batch is truncated or damaged.
    """
    folder = _folder_with((_TRAIN, _TEST), path)
    return _read_all(folder, _TRAIN), _read_all(folder, _TEST)


def class_names(path: str | os.PathLike | None = None) -> list[str]:
    """Return the names of the ten classes, from `batches.meta.txt` in the folder that `load_data` would read.

    Raises:
        FileNotFoundError: if there is no such file, with all the places that were tried and what to do.
    """
    folder = _folder_with((_NAMES,), path)
    return (folder / _NAMES).read_text(encoding="utf-8").split()


def _folder_with(patterns: tuple[str, ...], path: str | os.PathLike | None) -> Path:
    looked = []
    for folder in candidates(path, _FOLDERS):
        missing = [pattern for pattern in patterns if not any(folder.glob(pattern))]
        if not missing:
            return folder
        looked.append(missing_note(folder, missing))
    advice = (
        "CIFAR-10 is not downloaded, because no checksum of it is known here. Unpack the binary version from "
        f"https://www.cs.toronto.edu/~kriz/cifar.html in {cache_folder()}"
    )
    raise not_found("cifar10", " and ".join(patterns), looked, advice)


def _read_all(folder: Path, pattern: str) -> Part:
    parts = [_read_batch(file) for file in sorted(folder.glob(pattern))]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts))
    return images, labels


def _read_batch(path: Path) -> Part:
    data = np.fromfile(path, np.uint8)
    if data.size == 0 or data.size % _RECORD:
        raise ValueError(
            f"{path} is truncated or damaged: expected a multiple of {_RECORD} bytes. Received: {data.size}"
        )
    records = data.reshape(-1, _RECORD)
    labels, images = records[:, :1].copy(), records[:, 1:].reshape(-1, 3, 32, 32)
    if labels.max() > 9:
        raise ValueError(f"{path} is damaged: expected labels from 0 to 9. Received: {labels.max()}")
    if config.image_data_format() == "channels_last":
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    return images, labels
