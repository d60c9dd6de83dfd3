"""Arrays without data: what ops run on while a model's shapes are inferred."""

from __future__ import annotations

import math

import numpy as np


class AbstractArray:
    """A shape and a dtype. Every primitive's implementation for this array type is its shape rule."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype):
        self.shape = shape if type(shape) is tuple else tuple(shape)
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        return f"AbstractArray(shape={self.shape}, dtype={self.dtype.name})"

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "This array has a shape but no data: it stands for a value that only exists when the model runs. "
            "Use gpunet.ops on it instead of NumPy, or compute the value outside `call`."
        )
