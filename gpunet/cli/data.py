"""Data for the `gpunet` command: arrays, tables and folders of images, in the shape that a model takes."""

from __future__ import annotations

import argparse
import csv
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.utils.images import image_dataset_from_directory


def load(options: argparse.Namespace, model: Any) -> tuple[Any, Any]:
    """(x, y) from the files that the options name; y is None where there are no targets.

    Raises:
        ValueError: if the files are not such data, or do not fit the model.
        FileNotFoundError: if one is not there.
    """
    paths = [Path(name) for name in options.data]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise FileNotFoundError(f"there is no such file: {', '.join(missing)}")
    shape = tuple(model.inputs[0].shape[1:]) if len(getattr(model, "inputs", [None, None])) == 1 else None
    if paths[0].is_dir():
        x, y = _images(paths[0], shape)
    elif paths[0].suffix == ".npz":
        x, y = _npz(paths[0], options.part)
    elif paths[0].suffix == ".npy":
        arrays = [_npy(path) for path in paths]
        x, y = arrays[0], arrays[1] if len(arrays) > 1 else None
    elif paths[0].suffix == ".csv":
        x, y = _table(paths[0], options.target, shape)
    else:
        raise ValueError(f"--data expected .npz, .npy or .csv files, or a folder. Received: {paths[0]}")
    if options.scale != 1.0:
        x = (x / options.scale).astype("float32")
    return (x if shape is None else _fitted(x, shape)), y


def _npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is not a whole .npy file of numbers. Received: {error}") from None


def _npz(path: Path, part: str) -> tuple[Any, Any]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            for x, y in ((f"x_{part}", f"y_{part}"), ("x", "y")):
                if x in file:
                    return file[x], file.get(y)
            raise KeyError(f"{path} needs x and y, or x_{part} and y_{part}. Received: {', '.join(file.files)}")
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a whole .npz file of numbers. Received: {error}") from None


def _table(path: Path, target: str | None, shape: tuple | None) -> tuple[np.ndarray, Any]:
    """Columns of numbers and the target; classes that are words are numbered in their sorted order.

    Without a target the last column is it, unless the model takes as many inputs as there are columns.
    """
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    header = None if rows and all(map(_is_number, rows[0][:-1])) else rows.pop(0) if rows else None
    if not rows:
        raise ValueError(f"{path} has no rows")
    width = len(rows[0])
    uneven = next((i for i, row in enumerate(rows) if len(row) != width), None)
    if uneven is not None:
        raise ValueError(f"{path}: row {uneven + 1} has {len(rows[uneven])} columns, the first one {width}")
    if target is None and shape is not None and math.prod(n or 1 for n in shape) == width:
        column = None
    else:
        column = _column(target, header, width, path)
    try:
        x = np.array([[float(c) for i, c in enumerate(row) if i != column] for row in rows], "float32")
    except ValueError as error:
        raise ValueError(f"{path} has a column that is not of numbers: {error}") from None
    return x, None if column is None else _targets([row[column] for row in rows])


def _column(target: str | None, header: list[str] | None, width: int, path: Path) -> int:
    if target is None:
        return width - 1
    if header and target in header:
        return header.index(target)
    if target.lstrip("-").isdecimal() and -width <= int(target) < width:
        return int(target) % width
    raise ValueError(f"{path} has no column {target!r}. Received: {', '.join(header or [])} ({width} columns)")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _targets(values: list[str]) -> np.ndarray:
    if not all(map(_is_number, values)):
        return np.unique(values, return_inverse=True)[1].astype("int32")
    numbers = np.array([float(v) for v in values], "float32")
    return numbers.astype("int32") if (numbers == np.rint(numbers)).all() else numbers


def _images(folder: Path, shape: tuple | None) -> tuple[np.ndarray, Any]:
    """All pictures of a folder in the size and colours of the model's input, with the numbers of their subfolders."""
    if shape is None or len(shape) != 3 or None in shape[:2] or shape[2] not in (1, 3, 4):
        raise ValueError(f"a folder of images needs a model with inputs (height, width, 1, 3 or 4). Received: {shape}")
    color = {1: "grayscale", 3: "rgb", 4: "rgba"}[shape[2]]
    classes = any(path.is_dir() for path in folder.iterdir())
    data = image_dataset_from_directory(
        folder,
        labels="inferred" if classes else None,
        color_mode=color,
        image_size=shape[:2],
        shuffle=False,
        batch_size=None,
        data_format="channels_last",
    )
    return data[0] if classes else (data[0], None)


def _fitted(x: np.ndarray, shape: tuple) -> np.ndarray:
    """The inputs in the model's shape, where they have as many numbers per sample.

    Raises:
        ValueError: if they have not.
    """
    fits = len(x.shape) == len(shape) + 1 and all(n in (None, m) for n, m in zip(shape, x.shape[1:]))
    if fits:
        return x
    if None not in shape and math.prod(shape) == math.prod(x.shape[1:]):
        return x.reshape(len(x), *shape)
    raise ValueError(f"the model takes samples of shape {shape}. Received: samples of shape {x.shape[1:]}")
