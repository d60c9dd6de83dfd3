"""Folders of texts as datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.utils.folders import dataset_from_directory


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """A dataset of the `.txt` files in a folder, whose subfolders are the classes: batches of (texts, labels).

    Texts are a NumPy array of str objects, as `layers.TextVectorization` takes them.

    Args:
        max_length: characters of a text, which the rest is cut off of.
        others: as for `image_dataset_from_directory`.

    Raises:
        ValueError: on other modes, or where there is no text.
    """

    def read(paths: Sequence[str]) -> np.ndarray:
        return np.array([Path(path).read_text(encoding="utf-8")[:max_length] for path in paths], object)

    return dataset_from_directory(
        directory,
        read,
        (".txt",),
        "text files",
        labels=labels,
        label_mode=label_mode,
        class_names=class_names,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        validation_split=validation_split,
        subset=subset,
        follow_links=follow_links,
        format=format,
        verbose=verbose,
    )
