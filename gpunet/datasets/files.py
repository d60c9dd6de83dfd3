"""Datasets of one file each: found beside the others, or downloaded once, and read without running what is in it."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gpunet.datasets.download import fetch
from gpunet.datasets.folders import cache_folder, candidates, not_found
from gpunet.datasets.split import Split

MIRROR = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def locate(dataset: str, name: str, digest: str, path: str | os.PathLike | None = None, url: str = "") -> Path:
    """The file of a dataset: at `path`, in a folder of that name, in `GPUNET_DATA` or the cache, or downloaded there.

    Args:
        name: the file's name; a `path` that is nothing else names a file in the cache, as in Keras.
        digest: its SHA-256 or MD5, which a download must have.
        url: where to download it from; `name` on Keras's own mirror where it is empty.

    Raises:
        FileNotFoundError: if it is nowhere, with all the places that were tried.
    """
    given = None if path is None or os.fspath(path) == name else Path(path).expanduser()
    if given is not None and given.is_file():
        return given
    places = [folder / name for folder in candidates(given, (dataset,))]
    cached = cache_folder() / name
    places += [cached] if given is None else []
    for place in places:
        if place.is_file():
            return place
    looked = [f"{place}: no such file" for place in places]
    if given is None:
        try:
            fetch([url or MIRROR + name], cached, digest)
        except ConnectionError as error:
            looked.append(str(error))
        else:
            return cached
    raise not_found(dataset, name, looked, f"Download it from {url or MIRROR + name} to {cached}")


# What arrays in pickles are made of; nothing else is.
_ARRAY_PARTS = {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy")
    for name in ("_reconstruct", "scalar", "ndarray", "dtype")
} | {("_codecs", "encode")}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ARRAY_PARTS:
            raise ValueError(f"the file has a pickle with more than arrays in it. Received: {module}.{name}")
        return super().find_class(module, name)


def unpickled(file: BinaryIO, encoding: str = "ASCII") -> Any:
    """What is in a pickle of arrays, lists, dicts and numbers.

    Raises:
        ValueError: if there is anything else in it.
    """
    return _ArrayUnpickler(file, encoding=encoding).load()


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file, those of lists too.

    Raises:
        ValueError: if it is damaged, or has more than arrays in it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _read_npy(archive.read(name)) for name in archive.namelist()}
    except (zipfile.BadZipFile, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"{path} is truncated or damaged: {error}") from error


def _read_npy(data: bytes) -> np.ndarray:
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        return np.asarray(unpickled(file), object).reshape(shape)
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def read_member(path: Path, name: str) -> Any:
    """What is pickled in a member of a tar archive; text of Python 2 is bytes.

    Raises:
        ValueError: if there is no such member, or it has more than arrays in it.
    """
    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile(name)
            if member is None:
                raise ValueError(f"{path} expected a file {name} in it")
            with member:
                return unpickled(io.BytesIO(member.read()), encoding="bytes")
    except (tarfile.TarError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is truncated or damaged: {error}") from error


def split_of(x: Any, y: Any, test_split: float, seed: int) -> Split:
    """Samples in the random order of Keras, the last share of them for tests.

    Raises:
        ValueError: if the share is not in [0, 1).
    """
    if not 0 <= test_split < 1:
        raise ValueError(
            f"Invalid `test_split` argument: {test_split}. It must be between 0 and 1 (exclusive of 1). "
            f"Received: test_split={test_split}"
        )
    order = shuffled(len(x), np.random.RandomState(seed))
    x, y = x[order], y[order]
    cut = int(len(x) * (1 - test_split))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def shuffled(count: int, random: np.random.RandomState) -> np.ndarray:
    """The numbers below `count` in random order."""
    order = np.arange(count)
    random.shuffle(order)
    return order
