"""Images cropped, padded, and cut into patches."""

from __future__ import annotations

import itertools
from typing import Any

from gpunet.config import standardize_data_format
from gpunet.ops.conv import per_axis, resolve_padding
from gpunet.ops.image.layout import as_batch
from gpunet.ops.indexing import getitem
from gpunet.ops.joining import pad, stack
from gpunet.ops.operands import operand
from gpunet.ops.views import expand_dims, moveaxis, reshape, squeeze
from gpunet.symbolic.ops import symbolic_op


def _third(names: tuple[str, str, str], values: tuple, whole: Any) -> list[int]:
    """Three sizes of which two are given and all add up to `whole`.

    Raises:
        ValueError: unless exactly two are given and none is negative.
    """
    if sum(v is not None for v in values) != 2:
        text = ", ".join(f"{name}={value}" for name, value in zip(names, values))
        raise ValueError(f"Must specify exactly two of {', '.join(names)}. Received: {text}")
    found = [whole(*(v for v in values if v is not None), k) if v is None else int(v) for k, v in enumerate(values)]
    for name, value in zip(names, found):
        if value < 0:
            raise ValueError(f"{name} must be >= 0. Received: {name}={value}")
    return found


@symbolic_op
def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Images without some of their edges: two of top, bottom and height are given, and two of left, right and width.

    Raises:
        ValueError: unless exactly two are, and the rest is not negative.
    """
    x, restored = as_batch(images, data_format)
    _, height, width, _ = x.shape
    names = ("top_cropping", "bottom_cropping", "target_height"), ("left_cropping", "right_cropping", "target_width")
    given = (top_cropping, bottom_cropping, target_height), (left_cropping, right_cropping, target_width)
    spans = []
    for name, values, n in zip(names, given, (height, width)):
        low, _, kept = _third(name, values, lambda a, b, _, n=n: n - a - b)
        spans.append(slice(low, low + kept))
    return restored(getitem(x, (slice(None), *spans)))


@symbolic_op
def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Images with zeros around them: two of top, bottom and height are given, and two of left, right and width.

    Raises:
        ValueError: unless exactly two are, and the rest is not negative.
    """
    x, restored = as_batch(images, data_format)
    _, height, width, _ = x.shape
    names = ("top_padding", "bottom_padding", "target_height"), ("left_padding", "right_padding", "target_width")
    given = (top_padding, bottom_padding, target_height), (left_padding, right_padding, target_width)
    pairs = []
    for name, values, n in zip(names, given, (height, width)):
        low, high, _ = _third(name, values, lambda a, b, k, n=n: a + b + n if k == 2 else b - a - n)
        pairs.append((low, high))
    return restored(pad(x, ((0, 0), *pairs, (0, 0))))


@symbolic_op
def extract_patches(
    images: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The patches of images, or volumes for a `size` of three: each place of the result holds one, flattened.

    Args:
        images: (batch, *spatial, channels) or without the batch, or channels first.
        size: of a patch, an int or one per spatial axis. strides: between patches, the size where None.
        dilation_rate: between the elements of a patch.
        padding: "valid" or "same".

    Returns:
        (batch, *places, patch height · patch width · channels), or channels first.

    Raises:
        TypeError, ValueError: on sizes and ranks that do not fit.
    """
    if not isinstance(size, int | list | tuple):
        raise TypeError(f"Invalid `size` argument. Expected an int or a tuple. Received: size={size!r}")
    if not isinstance(size, int) and len(size) not in (2, 3):
        raise ValueError(f"Invalid `size` argument. Expected a tuple of length 2 or 3. Received: size={size}")
    return _patches(
        images, 2 if isinstance(size, int) else len(size), size, strides, dilation_rate, padding, data_format
    )


@symbolic_op
def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The patches of volumes (batch, depth, height, width, channels); arguments as in `extract_patches`."""
    return _patches(volumes, 3, size, strides, dilation_rate, padding, data_format)


def _patches(images, rank, size, strides, dilation_rate, padding, data_format):
    x = operand(images)
    first = standardize_data_format(data_format) == "channels_first"
    if x.ndim not in (rank + 1, rank + 2):
        raise ValueError(
            f"extract_patches expected inputs of rank {rank + 1} or {rank + 2} for size={size}. "
            f"Received: images.shape={tuple(x.shape)}"
        )
    single = x.ndim == rank + 1
    x = expand_dims(x, 0) if single else x
    x = moveaxis(x, 1, -1) if first else x
    window = per_axis(size, rank, "size")
    steps = per_axis(strides if strides else size, rank, "strides")
    rates = per_axis(dilation_rate, rank, "dilation_rate")
    widths = resolve_padding(padding, x.shape[1:-1], window, steps, rates)
    x = pad(x, ((0, 0), *widths, (0, 0))) if any(map(any, widths)) else x
    places = [(n - r * (k - 1) - 1) // s + 1 for n, k, s, r in zip(x.shape[1:-1], window, steps, rates)]
    parts = [
        getitem(
            x,
            (
                slice(None),
                *(slice(o * r, o * r + (m - 1) * s + 1, s) for o, r, m, s in zip(offset, rates, places, steps)),
            ),
        )
        for offset in itertools.product(*map(range, window))
    ]
    y = stack(parts, axis=-2)
    y = reshape(y, (*y.shape[:-2], y.shape[-2] * y.shape[-1]))
    y = moveaxis(y, -1, 1) if first else y
    return squeeze(y, 0) if single else y
