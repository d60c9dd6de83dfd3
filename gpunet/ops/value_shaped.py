"""Ops whose results' shapes depend on values, which are read on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.autograd.tensor import raw, wrap
from gpunet.backend.devices import device_of, to_device, to_host
from gpunet.ops.operands import operand


def nonzero(x: Any) -> tuple:
    """The indices of the elements that are not zero, an int32 vector per axis."""
    x = operand(x)
    found = np.nonzero(to_host(raw(x)))
    return tuple(_beside(x, part.astype("int32")) for part in found)


def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct elements in order; with `return_index` also where each occurs first, with `return_inverse` where
    each element is among them, and with `return_counts` how often each occurs.

    Args:
        axis: look at slices along an axis, instead of elements.
        size: of the result, cut off or filled with `fill_value`, the smallest where None.
    """
    x = operand(x)
    found = np.unique(to_host(raw(x)), return_index=True, return_inverse=True, return_counts=True, axis=axis)
    values, first, inverse, counts = found
    place = 0 if axis is None else axis
    if size is not None:
        values, first, counts = _resized(values, first, counts, size, fill_value, place)
    parts = [values]
    parts += [first.astype("int32")] if return_index else []
    parts += [inverse.astype("int32")] if return_inverse else []
    parts += [counts.astype("int32")] if return_counts else []
    results = [_beside(x, np.ascontiguousarray(p)) for p in parts]
    return results[0] if len(results) == 1 else tuple(results)


def _resized(values: np.ndarray, first: np.ndarray, counts: np.ndarray, size: int, fill_value: Any, axis: int) -> tuple:
    values, first, counts = np.take(values, range(min(size, values.shape[axis])), axis), first[:size], counts[:size]
    missing = size - values.shape[axis]
    if missing:
        widths = [(0, missing if d == axis else 0) for d in range(values.ndim)]
        filler = values.min() if fill_value is None else fill_value
        values = np.pad(values, widths, constant_values=filler)
        first, counts = (np.pad(numbers, (0, missing)) for numbers in (first, counts))
    return values, first, counts


def _beside(x: Any, values: np.ndarray) -> Any:
    """An array on the device of x, a tensor if x is one."""
    placed = to_device(values, device_of(raw(x)))
    return wrap(placed) if raw(x) is not x else placed
