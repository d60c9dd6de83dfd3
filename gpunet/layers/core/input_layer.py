"""The entrance of a functional model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gpunet.backend.dtypes import as_dtype
from gpunet.layers.layer import Layer
from gpunet.symbolic import KerasTensor


class InputLayer(Layer):
    """Holds the shape and dtype of a model's input; `Input` makes one and returns its tensor.

    Args:
        input_tensor: the KerasTensor to be, whose shape and dtype those that are also given must equal.
        optional: whether a model may get None for it.

    Raises:
        ValueError: unless exactly one of `shape`, `batch_shape` and `input_tensor` says what comes, or if `sparse` or
            `ragged` is asked for.
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name)
        shape, batch_shape = _former_names(shape, batch_shape, kwargs)
        if input_tensor is not None:
            given = {"shape": shape, "batch_size": batch_size, "batch_shape": batch_shape}
            _check_equal(input_tensor, **given, dtype=dtype, sparse=sparse, ragged=ragged)
        _check_supported(sparse=sparse, ragged=ragged)
        if input_tensor is None:
            input_tensor = KerasTensor(_whole_shape(shape, batch_size, batch_shape), dtype, name=self.name)
        self.batch_shape = input_tensor.shape
        self.sparse = False
        self.ragged = False
        self.optional = optional
        self._input_dtype = input_tensor.dtype.name
        self.built = True
        self.record_call((), {}, input_tensor)

    @property
    def dtype(self) -> str:
        return self._input_dtype

    def call(self) -> None:
        """Nothing: the layer stands for a model's input."""

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            "optional": self.optional,
        }


def _former_names(shape: Any, batch_shape: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """The two shapes, from Keras 2's names of them where those are used."""
    if "input_shape" in kwargs:
        warnings.warn("Argument `input_shape` is deprecated. Use `shape` instead.", stacklevel=3)
        shape = kwargs.pop("input_shape")
    batch_shape = kwargs.pop("batch_input_shape", batch_shape)
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments passed to InputLayer: {kwargs}.")
    return shape, batch_shape


def _check_supported(**kinds: bool | None) -> None:
    for kind, wanted in kinds.items():
        if wanted:
            raise ValueError(f"`{kind}=True` is not supported: tensors are dense. Received: {kind}={wanted}")


def _whole_shape(shape: Any, batch_size: int | None, batch_shape: Any) -> tuple:
    """The shape with the batch axis."""
    if batch_shape is None and shape is None:
        raise ValueError("You must pass a `shape` argument.")
    for name, value in (("shape", shape), ("batch_size", batch_size)):
        if batch_shape is not None and value is not None:
            raise ValueError(
                f"You cannot pass both `{name}` and `batch_shape` at the same time. Received: {name}={value}, "
                f"batch_shape={batch_shape}"
            )
    if isinstance(shape, int | np.integer):
        raise ValueError(f"Input expected `shape` as a tuple without the batch axis. Received: shape={shape}")
    return (batch_size, *shape) if batch_shape is None else tuple(batch_shape)


def _check_equal(tensor: Any, **given: Any) -> None:
    """Raise ValueError unless `tensor` is a KerasTensor with what is given."""
    if not isinstance(tensor, KerasTensor):
        raise ValueError(
            f"Argument `input_tensor` must be a KerasTensor. Received invalid type: input_tensor={tensor!r:.100} "
            f"(of type {type(tensor).__name__})"
        )
    shape = tensor.shape
    found = {"shape": shape[1:], "batch_size": shape[0] if shape else None, "batch_shape": shape, "dtype": tensor.dtype}
    for name, value in given.items():
        wanted = as_dtype(value) if name == "dtype" else tuple(value) if isinstance(value, list) else value
        if value is not None and wanted != found.get(name, False):
            raise ValueError(
                f"When providing the `input_tensor` argument, you cannot provide an incompatible `{name}` argument. "
                f"Received: {name}={value}, input_tensor={tensor}"
            )


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> KerasTensor:
    """A symbolic tensor to start a functional model from.

    Args:
        shape: sizes without the batch axis; None for an unknown one.
        batch_size: the size of the batch axis, unknown where None.
        dtype: `floatx()` where None.
        sparse, ragged: must not be True: tensors are dense.
        batch_shape: the whole shape, instead of `shape`.
        tensor: the KerasTensor to begin at, instead of a new one.

    Raises:
        ValueError: unless one of `shape`, `batch_shape` and `tensor` is given, or if they contradict each other.
    """
    layer = InputLayer(
        shape,
        batch_size,
        dtype,
        sparse,
        ragged,
        batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    )
    return layer.output
