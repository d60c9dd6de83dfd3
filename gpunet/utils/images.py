"""Pictures in files and as arrays, by Pillow, and folders of them as datasets."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpunet import config, ops
from gpunet.utils.folders import dataset_from_directory

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
        array = array / (array.max() or 1.0) * 255  # in this order the largest value is 255 exactly, whatever it was
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
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
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
        pad_to_aspect_ratio: fill up with black rather than distort.
        format: "tf" or "grain", Keras's kinds of datasets; here it is a `PyDataset` for both.
        verbose: print how many files and classes were found.

    Raises:
        ValueError: on other modes, or where there is no picture.
        ImportError: without Pillow.
    """
    _pillow()
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("only one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio` can be True. Received: both")
    size = (int(image_size[0]), int(image_size[1]))

    def read(paths: Sequence[str]) -> np.ndarray:
        load = functools.partial(_load_padded, color_mode, size, interpolation) if pad_to_aspect_ratio else None
        load = load or functools.partial(
            load_img,
            color_mode=color_mode,
            target_size=size,
            interpolation=interpolation,
            keep_aspect_ratio=crop_to_aspect_ratio,
        )
        return np.stack([img_to_array(load(path), data_format, "float32") for path in paths])

    return dataset_from_directory(
        directory,
        read,
        _SUFFIXES,
        "images",
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


def _load_padded(color_mode: str, size: tuple[int, int], interpolation: str, path: str) -> Any:
    """A picture that fits into `size` without distortion, on black."""
    image = load_img(path, color_mode)
    height, width = size
    scale = min(height / image.height, width / image.width)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    canvas = _pillow().new(image.mode, (width, height))
    resized = image.resize(inner, getattr(_pillow().Resampling, interpolation.upper()))
    canvas.paste(resized, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def smart_resize(
    x: Any, size: tuple[int, int], interpolation: str = "bilinear", data_format: str = "channels_last", **kwargs: Any
) -> Any:
    """An image or a batch of them, resized without distortion: what does not fit is cut off around the middle.

    Args:
        x: (height, width, channels) or (batch, height, width, channels), or channels first.
        size: (height, width).
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".

    Raises:
        ValueError: on arguments that Keras does not know, or of another rank.
    """
    if kwargs:
        raise ValueError(f"smart_resize does not have these arguments. Received: {sorted(kwargs)}")
    if len(size) != 2:
        raise ValueError(f"`size` must be (height, width). Received: size={size}")
    if len(x.shape) not in (3, 4):
        raise ValueError(f"expected an image or a batch of images. Received: shape={tuple(x.shape)}")
    return ops.image.resize(x, size, interpolation, crop_to_aspect_ratio=True, data_format=data_format)
