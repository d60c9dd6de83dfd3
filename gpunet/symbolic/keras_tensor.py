"""`KerasTensor`: a placeholder with a shape and a dtype, the currency of functional models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gpunet import tree
from gpunet.backend.dtypes import as_dtype

if TYPE_CHECKING:
    from gpunet.autograd.operator_types import OperatorTypes

    class _Attached(OperatorTypes["KerasTensor"]): ...
else:
    _Attached = object


class KerasTensor(_Attached):
    """A symbolic tensor: `shape` may hold None for an unknown dimension, `dtype` is a NumPy dtype.

    It records the operation that makes it, so that `Model(inputs, outputs)` can find its way back. It has no data:
    `if x:`, `float(x)` and NumPy functions raise TypeError.
    """

    __slots__ = ("__weakref__", "_keras_history", "_keras_mask", "dtype", "name", "shape")

    sparse = False
    ragged = False

    def __init__(self, shape: Any, dtype: Any = None, name: str | None = None):
        self.shape = tuple(None if n is None else int(n) for n in shape)
        self.dtype: np.dtype = as_dtype(dtype)
        self.name = name or "keras_tensor"
        self._keras_history: Any = None
        self._keras_mask: Any = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype.name}, name={self.name}>"

    def _no_data(self, *args, **kwargs):
        raise TypeError(
            f"{self!r} has no data: it stands for a value that only exists when the model runs. "
            f"Use gpunet.ops or a layer on it, not NumPy, `if`, `float` or iteration."
        )

    __bool__ = __float__ = __int__ = __index__ = __iter__ = __len__ = __array__ = numpy = _no_data
    __hash__ = object.__hash__
    __array_ufunc__ = None


def is_keras_tensor(x: Any) -> bool:
    """Whether x is a symbolic tensor, from `Input` or from a layer called on one."""
    return isinstance(x, KerasTensor)


def any_symbolic(*structures: Any) -> bool:
    """True if a KerasTensor is anywhere in the structures."""
    return any(isinstance(x, KerasTensor) for x in tree.flatten(structures))
