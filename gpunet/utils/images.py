"""Pictures in files and as arrays, by Pillow, and folders of them as datasets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpunet import config
from gpunet.data import PyDataset
from gpunet.random import permutation

_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_FILTERS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("pictures need Pillow: pip install 'gpunet[viz]'") from error
    return Image


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """A picture from a file as a Pillow image.

    Args:
        path: a path or a file object.
        color_mode: "grayscale", "rgb" or "rgba".
        target_size: (height, width) to resize to.
        interpolation: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".
        keep_aspect_ratio: cut the middle out before resizing, rather than distort.

    Raises:
        ValueError: on other modes.
        ImportError: without Pillow.
    """
    if color_mode not in _MODES:
        raise ValueError(f"color_mode must be one of {tuple(_MODES)}. Received: color_mode={color_mode!r}")
    if interpolation not in _FILTERS:
        raise ValueError(f"interpolation must be one of {_FILTERS}. Received: interpolation={interpolation!r}")
    with _pillow().open(path) as file:
        image = file.convert(_MODES[color_mode])
    if target_size is None or image.size == (target_size[1], target_size[0]):
        return image
    height, width = target_size
    box = None
    if keep_aspect_ratio:
        scale = min(image.width / width, image.height / height)
        left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
        box = (left, top, left + width * scale, top + height * scale)
    return image.resize((width, height), getattr(_pillow().Resampling, interpolation.upper()), box)


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """A Pillow image as an array (height, width, channels), or channels first, with values from 0 to 255.

    Raises:
        ValueError: if it is no picture.
    """
    array = np.asarray(img, dtype=dtype or config.floatx())
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3:
        raise ValueError(f"Unsupported image shape. Received: {array.shape}")
    return array if config.standardize_data_format(data_format) == "channels_last" else np.moveaxis(array, -1, 0)


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """An array of one picture as a Pillow image.

    Args:
        scale: stretch the values to 0–255.

    Raises:
        ValueError: if it has not three axes, or not 1, 3 or 4 channels.
        ImportError: without Pillow.
    """
    array = np.asarray(x, dtype=dtype or config.floatx())
    if array.ndim != 3:
        raise ValueError(
            f"Expected image array to have rank 3 (single image). Got array with shape: {array.shape}. "
            f"Received: rank {array.ndim}"
        )
    if config.standardize_data_format(data_format) == "channels_first":
        array = np.moveaxis(array, 0, -1)
    if array.shape[-1] not in (1, 3, 4):
        raise ValueError(f"Unsupported channel number. Received: {array.shape[-1]}")
    if scale:
        array = array - array.min()
        array = array * (255.0 / (array.max() or 1.0))
    pixels = array.astype("uint8")
    return _pillow().fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array of one picture to a file, in the format of its suffix; arguments as for `array_to_img`."""
    image = array_to_img(x, data_format, scale)
    if image.mode == "RGBA" and str(file_format or Path(str(path)).suffix.lstrip(".")).lower() in ("jpg", "jpeg"):
        image = image.convert("RGB")
    image.save(path, format=file_format, **kwargs)


class ImageFolder(PyDataset):
    """Batches of pictures from files: float32 (batch, height, width, channels) from 0 to 255, with their labels.

    `class_names` and `file_paths` say what is in it.
    """

    def __init__(self, paths: list[str], labels: Any, names: list[str], batch_size: int, options: dict[str, Any]):
        super().__init__()
        self.file_paths = paths
        self.labels = labels
        self.class_names = names
        self.batch_size = batch_size
        self.options = options

    def __len__(self) -> int:
        return -(-len(self.file_paths) // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        data_format = self.options["data_format"]
        read = {key: value for key, value in self.options.items() if key != "data_format"}
        x = np.stack([img_to_array(load_img(p, **read), data_format, "float32") for p in self.file_paths[part]])
        return x if self.labels is None else (x, self.labels[part])


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    data_format: str | None = None,
) -> Any:
    """A dataset of the pictures in a folder, whose subfolders are the classes.

    Args:
        labels: "inferred" from the subfolders, a list of integers in the order of the files' paths, or None.
        label_mode: "int" (int32), "categorical" (one-hot), "binary" (float32, one column) or None for no labels.
        class_names: the subfolders, in the order of the labels; sorted where None.
        color_mode: "grayscale", "rgb" or "rgba".
        batch_size: pictures per batch; all in one where None.
        image_size: (height, width) to resize to.
        shuffle, seed: the order of the files; sorted by their paths otherwise.
        validation_split: the share of the files, from the end, that are the validation part.
        subset: "training", "validation" or "both" (a pair), with `validation_split`.
        crop_to_aspect_ratio: cut the middle out rather than distort.

    Raises:
        ValueError: on other modes, or where there is no picture.
        ImportError: without Pillow.
    """
    _pillow()
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            f"`label_mode` must be 'int', 'categorical', 'binary' or None. Received: label_mode={label_mode!r}"
        )
    if (validation_split is None) != (subset is None):
        raise ValueError(
            f"`validation_split` and `subset` go together. Received: validation_split={validation_split}, "
            f"subset={subset!r}"
        )
    if subset not in (None, "training", "validation", "both"):
        raise ValueError(f"`subset` must be 'training', 'validation' or 'both'. Received: subset={subset!r}")
    if subset is not None and shuffle and seed is None:
        raise ValueError("`validation_split` with `shuffle=True` needs a `seed`, so that the parts do not overlap")
    inferred = isinstance(labels, str)
    if inferred and labels != "inferred":
        raise ValueError(f"`labels` must be 'inferred', a list or None. Received: labels={labels!r}")
    paths, numbers, names = _index(Path(directory), class_names if inferred else (), inferred, follow_links)
    if not inferred:
        numbers = None if labels is None else list(labels)
        names = [] if numbers is None else [str(n) for n in sorted(set(numbers))]
    if numbers is not None and len(numbers) != len(paths):
        raise ValueError(f"one label per file is needed. Received: {len(numbers)} labels for {len(paths)} files")
    encoded = None if numbers is None or label_mode is None else _encode(numbers, label_mode, len(names))
    order = permutation(len(paths), seed) if shuffle else np.arange(len(paths))
    cut = len(paths) - int((validation_split or 0) * len(paths))
    options = {
        "color_mode": color_mode,
        "target_size": tuple(image_size),
        "interpolation": interpolation,
        "keep_aspect_ratio": crop_to_aspect_ratio,
        "data_format": data_format,
    }

    def part(chosen: np.ndarray) -> ImageFolder:
        if not len(chosen):
            raise ValueError(f"a part of the dataset would be empty. Received: {len(paths)} files")
        found = None if encoded is None else encoded[chosen]
        return ImageFolder([paths[i] for i in chosen], found, list(names), batch_size or len(chosen), options)

    if subset is None:
        return part(order)
    both = {"training": order[:cut], "validation": order[cut:]}
    return (part(both["training"]), part(both["validation"])) if subset == "both" else part(both[subset])


def _index(
    folder: Path, class_names: Sequence[str] | None, by_class: bool, follow_links: bool
) -> tuple[list[str], Any, list[str]]:
    """The files in the order of their paths, the number of each one's class, and the classes."""
    if not folder.is_dir():
        raise ValueError(f"expected a folder. Received: {str(folder)!r}")
    names = sorted(p.name for p in folder.iterdir() if p.is_dir()) if class_names is None else list(class_names)
    if not by_class:
        paths, numbers = _pictures(folder, follow_links), None
    else:
        found = [(path, i) for i, name in enumerate(names) for path in _pictures(folder / name, follow_links)]
        paths, numbers = [path for path, _ in found], [i for _, i in found]
    if not paths:
        raise ValueError(f"No images found in directory {folder}. Allowed formats: {_SUFFIXES}")
    return paths, numbers, names


def _pictures(folder: Path, follow_links: bool) -> list[str]:
    return sorted(
        os.path.join(root, name)
        for root, _, names in os.walk(folder, followlinks=follow_links)
        for name in names
        if name.lower().endswith(_SUFFIXES)
    )


def _encode(numbers: Any, label_mode: str, classes: int) -> np.ndarray:
    labels = np.asarray(numbers, "int32")
    if label_mode == "binary":
        if classes != 2:
            raise ValueError(f"label_mode='binary' needs two classes. Received: {classes}")
        return labels.astype("float32")[:, None]
    return labels if label_mode == "int" else np.eye(classes, dtype="float32")[labels]
