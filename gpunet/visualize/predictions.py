"""Images with what a classifier made of them."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np


def save_predictions(
    path: str | os.PathLike,
    images: Any,
    labels: Any,
    predicted: Any,
    title: str = "",
    columns: int = 12,
    limit: int = 96,
) -> None:
    """Save a grid of images under their predicted classes; mistakes come first, framed, with the true class.

    Args:
        path: of the picture; its ending chooses the format.
        images: (n, height, width) or (n, height, width, channels).
        labels, predicted: (n,) true and predicted classes.
        limit: the most images to show.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the lengths differ.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("save_predictions needs matplotlib: pip install 'gpunet[viz]'") from None
    images, labels, predicted = (np.asarray(a) for a in (images, labels, predicted))
    if not len(images) == len(labels) == len(predicted):
        raise ValueError(
            f"images, labels and predicted must have the same length. "
            f"Received: {len(images)}, {len(labels)}, {len(predicted)}"
        )
    wrong = predicted != labels
    order = np.argsort(~wrong, kind="stable")[:limit]
    rows = max(1, math.ceil(len(order) / columns))
    figure = Figure(figsize=(columns * 0.75, rows * 0.95 + 0.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title or f"{wrong.sum()} mistakes in {len(labels)}", fontsize=11)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, i in zip(axes, order):
        _draw(axis, images[i], labels[i], predicted[i])
    for axis in axes[len(order) :]:
        axis.set_axis_off()
    figure.savefig(path)


def _draw(axis: Any, image: np.ndarray, label: Any, predicted: Any) -> None:
    image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    axis.imshow(image, cmap="gray_r" if image.ndim == 2 else None)
    axis.set_xticks([])
    axis.set_yticks([])
    mistake = predicted != label
    color = "#c0392b" if mistake else "#bbbbbb"
    axis.set_title(
        f"{predicted}, not {label}" if mistake else f"{predicted}", fontsize=8, color=color if mistake else "k"
    )
    for spine in axis.spines.values():
        spine.set_color(color)
        spine.set_linewidth(2.5 if mistake else 0.6)
