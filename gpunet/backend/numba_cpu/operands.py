"""What calls that are made ready ask of their operands, some of which may be None."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.backend.cpu.results import FLOAT32, is_flat


def are_float32(*arrays: Any) -> bool:
    """Whether loops can take them, after a copy of those that are not contiguous."""
    return all(a is None or a.dtype.char == "f" for a in arrays)


def are_flat(*arrays: Any) -> bool:
    """Whether loops can take them as they are."""
    return all(a is None or is_flat(a) for a in arrays)


def flat(*arrays: Any) -> list[Any]:
    """The arrays, made contiguous where they are not."""
    return [a if a is None else np.ascontiguousarray(a) for a in arrays]


def parameter(vector: Any, x: Any, missing: float) -> Any:
    """A number for each place of the last axis of x: `missing` where there is no vector."""
    return np.full(x.shape[-1], missing, FLOAT32) if vector is None else vector
