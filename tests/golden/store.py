"""Many small arrays in one file: their numbers end to end, and a list of names, dtypes and shapes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def save(path: Path, arrays: dict[str, np.ndarray], **notes: str) -> None:
    """Write float64, integer and bool arrays, and notes such as a library's version."""
    index = [(name, a.dtype.name, a.shape) for name, a in arrays.items()]
    numbers = np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays.values()])
    np.savez_compressed(path, numbers=numbers, index=np.array(json.dumps({"arrays": index, **notes})))
    print(f"{path.name}: {len(arrays)} arrays, {path.stat().st_size / 1000:.0f} kB")


def load(path: Path) -> dict[str, np.ndarray]:
    """The arrays that `save` wrote."""
    with np.load(path) as file:
        numbers, index = file["numbers"], json.loads(str(file["index"]))["arrays"]
    found, start = {}, 0
    for name, dtype, shape in index:
        size = int(np.prod(shape, dtype=int))
        found[name] = numbers[start : start + size].reshape(shape).astype(dtype)
        start += size
    return found
