"""Products of recurrent layers: a kernel is packed once for all steps of a sequence, which halves their time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet import config
from gpunet.backend.cpu.recurrent import packers
from gpunet.backend.onednn.library import is_usable
from gpunet.backend.onednn.matmul import SMALL
from gpunet.backend.onednn.memory import byte_size, row_major, strided, unspecified, workspace
from gpunet.backend.onednn.plan import DST, SRC, WEIGHTS, Description, Plan, cached, reorder


class _Packed:
    """The product of (rows, inner) matrices with an (inner, columns) kernel in a layout of oneDNN's choice."""

    def __init__(self, rows: int, inner: int, columns: int):
        plain = strided((inner, columns), (columns, 1))
        y = (rows, columns)
        source = strided((rows, inner), row_major((rows, inner)))
        description = Description(
            "matmul", source, unspecified((inner, columns)), None, strided(y, row_major(y)), relu=False
        )
        layout = description.layout(WEIGHTS)
        self.run = Plan(description, SRC, WEIGHTS, DST)
        self.pack = reorder(plain.value, layout)
        self.nbytes = byte_size(layout)

    def with_kernel(self, kernel: np.ndarray) -> Callable:
        """The function that multiplies by this kernel, until this thread packs the next one."""
        if self.pack is not None:
            packed = workspace("onednn recurrent kernel", self.nbytes)
            self.pack(kernel, packed)
        else:
            packed = kernel

        def product(a: np.ndarray, out: np.ndarray) -> np.ndarray:
            self.run(np.ascontiguousarray(a), packed, out)
            return out

        return product


def _packer(kernel: np.ndarray, rows: int) -> Any:
    if kernel.dtype.char != "f" or rows * kernel.size < SMALL or "onednn" not in config.cpu_providers():
        return None
    if not is_usable():
        return None
    plan = cached(("packed", rows, *kernel.shape), lambda: _Packed(rows, *kernel.shape), rows * kernel.size)
    return None if plan is None else plan.with_kernel(np.ascontiguousarray(kernel))


packers.append(_packer)
