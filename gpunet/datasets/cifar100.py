"""CIFAR-100: colour photographs of 32 × 32 pixels in 100 classes, or 20 groups of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from gpunet import config
from gpunet.datasets.files import locate, read_member
from gpunet.datasets.split import Part, Split

_NAME = "cifar-100-python.tar.gz"
_URL = f"https://www.cs.toronto.edu/~kriz/{_NAME}"
_SHA256 = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: str = "fine", path: str | os.PathLike | None = None) -> Split:
    """Return `(x_train, y_train), (x_test, y_test)` of CIFAR-100: 50,000 and 10,000 images.

    The images are uint8 of shape (n, 32, 32, 3), or (n, 3, 32, 32) where `gpunet.config.image_data_format()` says so,
    the labels integers of shape (n, 1).

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", technical report (2009).

    Args:
        label_mode: "fine" for 100 classes, "coarse" for 20.
        path: the file `cifar-100-python.tar.gz` or a folder with it. Where it is None: the folder `GPUNET_DATA`, the
            cache, or a download.

    Raises:
        FileNotFoundError: if there is no such file, with all the places that were tried.
        ValueError: on another label mode, or if the file is damaged.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f'`label_mode` must be one of "fine", "coarse". Received: label_mode={label_mode}.')
    file = locate("cifar100", _NAME, _SHA256, path, _URL)
    return _read(file, "train", label_mode), _read(file, "test", label_mode)


def _read(file: Path, part: str, label_mode: str) -> Part:
    found = read_member(file, f"cifar-100-python/{part}")
    images = np.asarray(found[b"data"], np.uint8).reshape(-1, 3, 32, 32)
    if config.image_data_format() == "channels_last":
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    return images, np.asarray(found[f"{label_mode}_labels".encode()]).reshape(-1, 1)
