"""How rows along an axis are shared among threads, for the kernels on `rows.cuh`."""

from __future__ import annotations

from math import ceil, prod

import numpy as np

from gpunet.backend.cuda.launcher import VECTOR_BYTES

LARGEST = 2**31 - 2**16  # places beyond the end of a row are counted in 32 bits
_THREADS = 256
_ITEM_BYTES = 64  # of a row that a thread holds, as in rows.cuh
_NEIGHBOURS = 8  # rows side by side from which on threads lie across them
_LANES_ACROSS = 8  # so that 32 threads read neighbouring rows


def rows_along(shape: tuple[int, ...], axis: int, dtype: np.dtype) -> tuple[int, dict[str, int]]:
    """The number of blocks, and the fields of the struct `Rows`, for rows along `axis`."""
    itemsize = dtype.itemsize
    size, inner = shape[axis], prod(shape[axis:][1:])
    count = prod(shape) // size
    items = _ITEM_BYTES // max(itemsize, 4)  # half precision is computed in single
    across = inner >= _NEIGHBOURS
    lanes = min(1 << (ceil(size / items) - 1).bit_length(), _LANES_ACROSS if across else _THREADS)
    fields = {
        "count": count,
        "size": size,
        "inner": inner,
        "lane_bits": lanes.bit_length() - 1,
        "across": int(across),
        "chunks": ceil(size / (items * lanes)),
        "wide": int(inner == 1 and size % (VECTOR_BYTES // itemsize) == 0),
    }
    return ceil(count / (_THREADS // lanes)), fields
