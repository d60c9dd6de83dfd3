"""Initializers without randomness."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.initializers.initializer import Initializer
from gpunet.serialization import deserialize, serialize


class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.zeros(shape, dtype)


class Ones(Initializer):
    """All ones."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.ones(shape, dtype)


class Constant(Initializer):
    """One number everywhere, or an array that broadcasts to the shape.

    An array that is given in the place of an initializer must have the shape itself.
    """

    is_exact = False

    def __init__(self, value: Any = 0.0):
        self.value = deserialize(value)

    @classmethod
    def of_values(cls, values: Any) -> Constant:
        """These very values, of this very shape."""
        found = cls(values)
        found.is_exact = True
        return found

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        if self.is_exact and tuple(self.value.shape) != tuple(shape):
            raise ValueError(
                f"Expected `shape` to be {tuple(self.value.shape)}, that of the values. Received: shape={tuple(shape)}"
            )
        return ops.broadcast_to(ops.cast(ops.convert_to_tensor(self.value), dtype), shape)

    def get_config(self) -> dict[str, Any]:
        return {"value": serialize(self.value)}


class Identity(Initializer):
    """`gain` on the diagonal of a matrix, zeros elsewhere.

    Raises:
        ValueError: if the shape is not 2-D.
    """

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        if len(shape) != 2:
            raise ValueError(f"Identity initializer can only be used for 2D matrices. Received: shape={shape}")
        return ops.eye(shape[0], shape[1], dtype=dtype) * self.gain

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}
