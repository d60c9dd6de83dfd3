"""What the examples on handwritten digits share: images of 28 × 28 pixels, and rows of pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gpunet.datasets import digits, mnist


def load_images(folder: str | None = None, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Training and test images, at most `limit` of each, as float32 in [0, 1] of shape (n, 28, 28, 1).

    They are MNIST's, or, where its files are neither found nor can be downloaded, the digits that ship with gpunet.
    """
    try:
        (train, _), (test, _) = mnist.load_data(folder)
        brightest = 255
    except FileNotFoundError:
        print("MNIST is not here: training on the 8 × 8 digits of the package, enlarged.")
        train, test = (_enlarged(images) for images, _ in digits.load_data())
        brightest = 16
    train, test = ((x / np.float32(brightest))[..., None] for x in (train[:limit], test[:limit]))
    return train, test


def _enlarged(images: np.ndarray) -> np.ndarray:
    """(n, 8, 8) → (n, 28, 28): every pixel three times as wide and high, in a margin of two pixels."""
    return np.pad(images.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))


def mean_image_error(train: np.ndarray, test: np.ndarray) -> float:
    """The mean squared error of showing the mean of the training images for every test image."""
    return float(np.mean(np.square(test - train.mean(0))))


def save_rows(path: str, rows: Mapping[str, np.ndarray]) -> None:
    """Save a picture with a row of images (n, height, width, 1) for each name; it needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = max(len(images) for images in rows.values())
    figure = Figure(figsize=(width * 0.7, len(rows) * 0.9), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, images) in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows.items()):
        axes.imshow(np.concatenate(list(images[..., 0]), axis=1), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(name, fontsize=9, loc="left")
        axes.set_axis_off()
    figure.savefig(path)
