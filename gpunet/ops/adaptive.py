"""Pooling to a given number of windows, whatever the size of the images."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.config import standardize_data_format
from gpunet.ops.conv import channels_last, per_axis, restore_format
from gpunet.ops.image.resizing import along
from gpunet.ops.indexing import take
from gpunet.ops.operands import float_operand, operand
from gpunet.ops.reduction import max as max_
from gpunet.symbolic.ops import symbolic_op


def _windows(n: int, count: int) -> list[tuple[int, int]]:
    """Begin and end of each window: together they cover the axis, and they overlap where it is not divisible."""
    return [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]


def _prepared(inputs: Any, output_size: Any, data_format: str | None) -> tuple[Any, Any, str]:
    if inputs.ndim not in (3, 4, 5):
        raise ValueError(
            f"adaptive pooling expected inputs of rank 3 to 5 (batch, *spatial, channels). "
            f"Received: inputs.shape={tuple(inputs.shape)}"
        )
    data_format = standardize_data_format(data_format)
    return channels_last(inputs, data_format), per_axis(output_size, inputs.ndim - 2, "output_size"), data_format


@symbolic_op
def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """The means of `output_size` windows along each spatial axis.

    Args:
        inputs: (batch, *spatial, channels), or channels first.
        output_size: an int or one per spatial axis.

    Raises:
        ValueError: on other ranks and sizes.
    """
    x, sizes, data_format = _prepared(float_operand(inputs), output_size, data_format)
    for axis, count in enumerate(sizes, 1):
        weights = np.zeros((count, x.shape[axis]))
        for i, (a, b) in enumerate(_windows(x.shape[axis], count)):
            weights[i, a:b] = 1 / (b - a)
        x = along(x, axis, weights)
    return restore_format(x, data_format)


@symbolic_op
def adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """The largest elements of `output_size` windows along each spatial axis; as `adaptive_average_pool`."""
    x, sizes, data_format = _prepared(operand(inputs), output_size, data_format)
    for axis, count in enumerate(sizes, 1):
        windows = _windows(x.shape[axis], count)
        widest = max(b - a for a, b in windows)
        # Shorter windows hold their last element twice.
        places = np.array([[min(a + k, b - 1) for k in range(widest)] for a, b in windows])
        x = max_(take(x, places, axis=axis), axis + 1)
    return restore_format(x, data_format)
