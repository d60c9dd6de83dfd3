"""The entrance of a functional model."""

from __future__ import annotations

from typing import Any

from gpunet.backend.dtypes import as_dtype
from gpunet.layers.layer import Layer
from gpunet.symbolic import KerasTensor


class InputLayer(Layer):
    """Holds the shape and dtype of a model's input; `Input` makes one and returns its tensor."""

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        batch_shape: Any = None,
        name: str | None = None,
        optional: bool = False,
    ):
        super().__init__(name=name)
        if (shape is None) == (batch_shape is None):
            raise ValueError("Input needs exactly one of `shape` and `batch_shape`.")
        if batch_shape is None:
            batch_shape = (batch_size, *_as_tuple(shape))
        self.batch_shape = tuple(batch_shape)
        self.optional = optional
        self._input_dtype = as_dtype(dtype).name
        self.built = True
        self.record_call((), {}, KerasTensor(self.batch_shape, dtype, name=self.name))

    @property
    def dtype(self) -> str:
        return self._input_dtype

    def call(self, *args: Any) -> Any:
        raise NotImplementedError("An InputLayer is not called: it stands for a model's input.")

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "name": self.name,
            "optional": self.optional,
        }


def _as_tuple(shape: Any) -> tuple:
    if isinstance(shape, int):
        raise ValueError(f"Input expected `shape` as a tuple without the batch axis. Received: shape={shape}")
    return tuple(shape)


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    name: str | None = None,
    tensor: Any = None,
    batch_shape: Any = None,
    optional: bool = False,
) -> KerasTensor:
    """A symbolic tensor to start a functional model from.

    Args:
        shape: sizes without the batch axis; None for an unknown one.
        batch_size: the size of the batch axis, unknown where None.
        dtype: `floatx()` where None.
        batch_shape: the whole shape, instead of `shape`.
        tensor: take shape and dtype from this KerasTensor.

    Raises:
        ValueError: unless exactly one of `shape` and `batch_shape` is given.
    """
    if tensor is not None:
        batch_shape, dtype = tensor.shape, tensor.dtype
    layer = InputLayer(shape, batch_size, dtype, batch_shape, name, optional)
    return layer.output
