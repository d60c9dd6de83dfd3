"""Memory descriptors: how arrays lie in memory, in oneDNN's terms (batch, channels, *spatial), with any strides."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.backend.cpu.scratch import scratch
from gpunet.backend.onednn.library import Handle, dims, library

_F32 = 3
_ANY = 1
_ALIGNMENT = 64
_HEAD = object.__basicsize__  # an array object's first field, its data pointer, follows the object header


def _through_interface(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _through_field(array: np.ndarray) -> int:
    return ctypes.c_size_t.from_address(id(array) + _HEAD).value


_probe = np.empty(1)
# The field is read in 0.2 µs, the interface in 1 µs: as much as executing a primitive costs.
address = _through_field if _through_field(_probe) == _through_interface(_probe) else _through_interface


@functools.lru_cache(maxsize=2048)
def strided(shape: tuple[int, ...], strides: tuple[int, ...]) -> Handle:
    """float32 memory with strides in elements."""
    return Handle("memory_desc", "memory_desc_create_with_strides", len(shape), dims(shape), _F32, dims(strides))


@functools.lru_cache(maxsize=2048)
def unspecified(shape: tuple[int, ...]) -> Handle:
    """float32 memory whose layout the primitive chooses."""
    return Handle("memory_desc", "memory_desc_create_with_tag", len(shape), dims(shape), _F32, _ANY)


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a C-contiguous array, in elements."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def channels_last(shape: tuple[int, ...]) -> Handle:
    """A contiguous (batch, *spatial, channels) array."""
    n, *spatial, c = shape
    batch_step, *steps, channel_step = row_major(shape)
    return strided((n, c, *spatial), (batch_step, channel_step, *steps))


def vector(length: int) -> Handle:
    """A contiguous (length,) array."""
    return strided((length,), (1,))


@functools.lru_cache(maxsize=4096)
def item_strides(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int = 4) -> tuple[int, ...] | None:
    """Strides in elements for arrays that a descriptor can say; None for overlapping, reversed or uneven ones."""
    result, extent = [0] * len(shape), 1
    for axis in sorted(range(len(shape)), key=lambda i: (strides[i], -i)):
        step, rest = divmod(strides[axis], itemsize)
        if shape[axis] == 1:
            step = extent
        elif rest or step < extent:
            return None
        result[axis], extent = step, step * shape[axis]
    return tuple(result)


def same_layout(a: Any, b: Any) -> bool:
    """Whether two descriptors (pointers) describe the same layout."""
    return bool(library().calls.dnnl_memory_desc_equal(a, b))


def byte_size(descriptor: Any) -> int:
    """How many bytes memory of this descriptor takes."""
    return library().calls.dnnl_memory_desc_get_size(descriptor)


def workspace(slot: str, nbytes: int) -> np.ndarray:
    """Aligned bytes that are valid until this thread asks for the slot again."""
    buffer = scratch(slot, (nbytes + _ALIGNMENT,), np.dtype(np.uint8))
    start = -address(buffer) % _ALIGNMENT
    return buffer[start : start + nbytes]
