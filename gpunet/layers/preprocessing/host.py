"""What layers share that look up texts and numbers on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import tree
from gpunet.autograd.tensor import Tensor, raw, wrap
from gpunet.autograd.watching import cannot_record
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.devices import default_device, to_host
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.primitive import is_array_type
from gpunet.layers.layer import Layer
from gpunet.symbolic import KerasTensor
from gpunet.symbolic.keras_tensor import any_symbolic


class HostLayer(Layer):
    """A layer that computes with NumPy, on texts too: lists of str or bytes, arrays of them, or arrays of numbers.

    A subclass has `compute(*inputs)`, from NumPy arrays, or rows of different lengths, to an array, and
    `compute_output_shape`. Results are tensors on the default device; there is no gradient, and no recording.
    """

    result_dtype: str

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.built = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any_symbolic(args, kwargs):
            return super().__call__(*args, **kwargs)
        return self.call(*args, **kwargs)

    def call(self, inputs: Any) -> Any:
        arrays = [raw(x) for x in (inputs if tree.is_nested(inputs) else [inputs])]
        if any(type(x) is AbstractArray for x in arrays):
            shape = self.compute_output_shape(tree.map_structure(lambda x: tuple(x.shape), inputs))
            return wrap(AbstractArray(shape, as_dtype(self.result_dtype)))
        cannot_record(f"the layer {self.name!r} computes on the host")
        found = self.compute(tree.map_structure(_on_host, inputs) if _holds_arrays(inputs) else _on_host(inputs))
        return found if found.dtype.kind in "OUS" else Tensor(found, device=default_device())

    def compute(self, inputs: Any) -> np.ndarray:
        """The result for inputs on the host."""
        raise NotImplementedError(f"{type(self).__name__} has no `compute`")

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        shape = self.compute_output_shape(tree.map_structure(lambda x: tuple(x.shape), inputs))
        return KerasTensor(shape, self.result_dtype)


def _holds_arrays(inputs: Any) -> bool:
    """Whether the inputs are a list or tuple of tensors or arrays, rather than one of texts or numbers."""
    leaves = tree.flatten(inputs) if tree.is_nested(inputs) else []
    return bool(leaves) and all(isinstance(x, Tensor) or is_array_type(type(x)) for x in leaves)


def _on_host(x: Any) -> Any:
    """An array on the host; rows of different lengths stay a list."""
    x = raw(x)
    if is_array_type(type(x)):
        return to_host(x)
    if isinstance(x, list | tuple) and len({len(row) for row in x if isinstance(row, list | tuple)}) > 1:
        return list(x)
    return np.asarray(x)


def host_array(values: Any) -> np.ndarray:
    """A tensor, an array of the host or a list as an array on the host."""
    return np.asarray(to_host(raw(values)) if isinstance(values, Tensor) else values)


def is_text(x: Any) -> bool:
    """Whether an array holds str or bytes."""
    return x.dtype.kind in "OUS"


def as_texts(x: np.ndarray, encoding: str = "utf-8") -> np.ndarray:
    """An array of str or bytes as one of str objects.

    Raises:
        TypeError: if there are other objects in it.
    """
    found = np.empty(x.shape, object)
    for place, item in np.ndenumerate(x):
        if not isinstance(item, str | bytes):
            raise TypeError(f"expected texts. Received: {item!r:.100} of type {type(item).__name__}")
        found[place] = item.decode(encoding) if isinstance(item, bytes) else str(item)
    return found


def encoded_on_host(indices: np.ndarray, depth: int, mode: str, dtype: Any) -> np.ndarray:
    """Integers as `categories.encoded` does; those outside [0, depth) count as none."""
    if mode == "int":
        return indices.astype(dtype)
    indices = indices[None] if indices.ndim == 0 else indices
    if mode == "one_hot" and indices.ndim > 1 and indices.shape[-1] == 1:
        indices = indices[..., 0]
    hot = (indices[..., None] == np.arange(depth)).astype(dtype)
    if mode == "one_hot":
        return hot
    axis = min(1, indices.ndim - 1)
    return hot.max(axis, initial=0) if mode == "multi_hot" else hot.sum(axis, dtype=dtype)
