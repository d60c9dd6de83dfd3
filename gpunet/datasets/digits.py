"""The UCI handwritten digits: 1,797 images of 8 × 8 pixels that ship with the package."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from gpunet.backend import philox
from gpunet.datasets.split import Split

_FILE = Path(__file__).parent / "data" / "digits.npz"


def load_data(test_split: float = 0.2, seed: int = 113) -> Split:
    """Return `(x_train, y_train), (x_test, y_test)` of the digits: no download, the same split on every machine.

    The images are uint8 of shape (n, 8, 8) with values from 0 to 16, the labels uint8 of shape (n,). The split is
    stratified: every class has the same share of the test part, up to one image. By default 1,437 images are for
    training and 360 for testing. Both parts are in random order.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository
    (1998), https://doi.org/10.24432/C50P49, CC BY 4.0; its test part, by 13 writers.

    Args:
        test_split: share of the test part, in (0, 1); the number of images is rounded up.
        seed: chooses the images of the test part, and the order; an integer from 0 to 2**64 − 1.

    Raises:
        ValueError: if an argument is out of its range, or the share leaves nothing to train on.
    """
    with np.load(_FILE) as file:
        images, labels = file["images"], file["labels"]
    count = math.ceil(len(labels) * test_split) if 0 < test_split < 1 else 0
    if not 0 < count < len(labels):
        raise ValueError(f"test_split must be in (0, 1) and leave images to train on. Received: {test_split=}")
    train, test = _stratified(labels, count, seed)
    return (images[train], labels[train]), (images[test], labels[test])


def _stratified(labels: np.ndarray, test_count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the two parts, each in random order."""
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be an integer from 0 to 2**64 - 1. Received: {seed=}")
    order = np.argsort(philox.words64(seed, 0, len(labels)), kind="stable")
    quantile = _quantile_in_class(labels[order])
    in_test = np.zeros(len(labels), bool)
    in_test[np.argsort(quantile, kind="stable")[:test_count]] = True
    return order[~in_test], order[in_test]


def _quantile_in_class(labels: np.ndarray) -> np.ndarray:
    """For each entry the share of its class that comes before it."""
    quantile = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        quantile[members] = (np.arange(len(members)) + 0.5) / len(members)
    return quantile
