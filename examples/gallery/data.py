"""Data for the scripts, the same for every library: from the files that `gpunet.datasets` knows."""

from __future__ import annotations

from typing import Any

from gpunet.datasets import cifar10 as _cifar10
from gpunet.datasets import mnist as _mnist


def mnist(samples: int) -> Any:
    """`(x_train, y_train), (x_test, y_test)` with that many training images."""
    (x, y), test = _mnist.load_data()
    return (x[:samples], y[:samples]), test


def cifar10(samples: int) -> Any:
    """`(x_train, y_train), (x_test, y_test)` with that many training images."""
    (x, y), test = _cifar10.load_data()
    return (x[:samples], y[:samples]), test
