"""The IDX file format of MNIST: a header of big-endian sizes, then the values."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

_UNSIGNED_BYTES = b"\0\0\x08"


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array in an IDX file, which may be compressed by gzip whatever its name.

    Raises:
        ValueError: if the file is no IDX file of unsigned bytes, truncated or damaged.
    """
    data = _contents(path)
    if len(data) < 4 or data[:3] != _UNSIGNED_BYTES:
        raise ValueError(f"expected an IDX file of unsigned bytes. Received: {path}, which starts with {data[:4]!r}")
    header = 4 + 4 * data[3]
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, header, 4))
    if len(data) != header + math.prod(shape):
        raise ValueError(
            f"{path} is truncated or damaged: expected {header + math.prod(shape)} bytes for shape {shape}. "
            f"Received: {len(data)} bytes"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape).copy()


def _contents(path: Path) -> bytes:
    data = path.read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is truncated or damaged: {error}") from error
