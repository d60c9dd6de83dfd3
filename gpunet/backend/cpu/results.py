"""Where a result goes: straight into `out` where native code can write it, else into new storage copied there."""

from __future__ import annotations

import numpy as np

from gpunet.backend.memory import empty

FLOAT32 = np.dtype(np.float32)


def is_flat(array) -> bool:
    """Whether native code can read it as it is: contiguous float32."""
    return type(array) is np.ndarray and array.dtype.char == "f" and array.flags.c_contiguous


def target(shape: tuple[int, ...], out: np.ndarray | None) -> np.ndarray:
    """`out` itself if it is contiguous float32, else a new array."""
    if out is not None and out.dtype.char == "f" and out.flags.c_contiguous:
        return out
    return empty(shape, FLOAT32)


def deliver(result: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """`out` with the result in it, or the result where there is no `out`."""
    if out is None or result is out:
        return result
    out[...] = result
    return out
