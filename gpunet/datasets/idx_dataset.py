"""Datasets in the layout of MNIST: four IDX files, or one .npz file with the same arrays."""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpunet.datasets.folders import cache_folder, candidates, missing_note, not_found
from gpunet.datasets.idx import read_idx
from gpunet.datasets.split import Part, Split

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@dataclass(frozen=True)
class IdxDataset:
    """One dataset: its names, where it can be downloaded and how to tell it from the others of the same layout.

    Args:
        name: of its module and of its .npz file.
        folders: names that its own folder may have; the first is its folder in the cache.
        mirrors: addresses that hold the four files, compressed by gzip.
        sha256: of the compressed files, by name without `.gz`.
        first_labels: of the test part.
    """

    name: str
    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    sha256: dict[str, str]
    first_labels: tuple[int, ...]

    def load(self, path: str | os.PathLike | None = None) -> Split:
        """The arrays from `path`, else from the first place that has them, else downloaded."""
        if path is not None and Path(path).expanduser().is_file():
            return _read_npz(Path(path).expanduser())
        looked: list[str] = []
        for folder in candidates(path, self.folders):
            split = self._read(folder, looked)
            if split is not None and (path is not None or self._is_here(folder, split, looked)):
                return split
        if path is not None:
            raise self._not_found(looked)
        return self._download(looked)

    def _read(self, folder: Path, looked: list[str]) -> Split | None:
        """The arrays in `folder`; None, and the reason in `looked`, where it does not hold them all."""
        npz = folder / f"{self.name}.npz"
        if npz.is_file():
            return _read_npz(npz)
        missing = [stem for stem in TRAIN + TEST if _idx_file(folder, stem) is None]
        if missing:
            looked.append(missing_note(folder, missing))
            return None
        return _read_files(folder)

    def _is_here(self, folder: Path, split: Split, looked: list[str]) -> bool:
        """Tell MNIST from Fashion-MNIST, whose files have the same names, where the folder's name does not."""
        known = self.first_labels
        if folder.name in self.folders or tuple(split[1][1][: len(known)]) == known:
            return True
        looked.append(f"{folder}: files of another dataset")
        return False

    def _download(self, looked: list[str]) -> Split:
        from gpunet.datasets.download import fetch  # here, because urllib costs as much to import as all of gpunet

        folder = cache_folder() / self.folders[0]
        try:
            for stem in TRAIN + TEST:
                if _idx_file(folder, stem) is None:
                    urls = [f"{mirror}{stem}.gz" for mirror in self.mirrors]
                    fetch(urls, folder / f"{stem}.gz", self.sha256[stem])
        except ConnectionError as error:
            raise self._not_found([*looked, *str(error).splitlines()]) from error
        return _read_files(folder)

    def _not_found(self, looked: list[str]) -> FileNotFoundError:
        expected = f"the files {', '.join(TRAIN + TEST)} (plain or .gz) or {self.name}.npz"
        advice = f"Put the files into {cache_folder() / self.folders[0]}"
        return not_found(self.name, expected, looked, advice)


def _idx_file(folder: Path, stem: str) -> Path | None:
    """The file of that name, compressed or not, with "-idx" or, as some archives have it, ".idx"."""
    names = [base + suffix for base in (stem, stem.replace("-idx", ".idx")) for suffix in (".gz", "")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_files(folder: Path) -> Split:
    return _read_part(folder, TRAIN), _read_part(folder, TEST)


def _read_part(folder: Path, stems: tuple[str, str]) -> Part:
    images, labels = (_idx_file(folder, stem) or folder / stem for stem in stems)
    return _checked(read_idx(images), read_idx(labels), f"{images} and {labels.name}")


def _read_npz(path: Path) -> Split:
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            train, test = ((arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test"))
    except (OSError, EOFError, LookupError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"expected an .npz file of x_train, y_train, x_test, y_test. Received: {path}: {error}"
        ) from error
    return _checked(*train, f"{path}, train"), _checked(*test, f"{path}, test")


def _checked(images: np.ndarray, labels: np.ndarray, where: str) -> Part:
    fits = images.ndim == 3 and labels.shape == images.shape[:1] and labels.dtype.kind in "iu"
    if not fits or labels.min(initial=0) < 0 or labels.max(initial=0) > 9:
        raise ValueError(
            f"expected images (n, height, width) and n labels from 0 to 9. Received: images {images.shape}, "
            f"labels {labels.shape} {labels.dtype}, in {where}"
        )
    return images, labels
