"""Layers that change the shape of their input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet import ops
from gpunet.config import standardize_data_format
from gpunet.layers.convolutional.base_conv import as_tuple
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.layer import Layer
from gpunet.ops.image.layout import check_choice
from gpunet.ops.image.resizing import INTERPOLATIONS
from gpunet.symbolic import KerasTensor


class Flatten(Layer):
    """(batch, ...) → (batch, product of the rest)."""

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        if self.data_format == "channels_first" and len(inputs.shape) > 2:
            inputs = ops.moveaxis(inputs, 1, -1)
        return ops.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"data_format": self.data_format}


class Reshape(Layer):
    """(batch, ...) → (batch, *target_shape); one size may be −1, which is inferred.

    Raises:
        ValueError: if several sizes are −1, or one is below that or no int; when called, if the number of elements
            differs.
    """

    def __init__(self, target_shape: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.target_shape = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        if any(not isinstance(n, int | np.integer) or n < -1 for n in self.target_shape):
            raise ValueError(
                f"Each size of `target_shape` must be a non-negative integer or -1. Received: "
                f"target_shape={self.target_shape}"
            )
        if self.target_shape.count(-1) > 1:
            raise ValueError(
                f"There must be at most one unknown dimension (-1) in `target_shape`. Received: "
                f"target_shape={self.target_shape}"
            )

    def _check_inputs(self, first: Any) -> None:
        super()._check_inputs(first)
        sizes = tuple(first.shape[1:])
        if None in sizes:
            return
        count, known = math.prod(sizes), math.prod(n for n in self.target_shape if n != -1)
        if count % known if -1 in self.target_shape and known else count != known:
            raise ValueError(
                f"Reshape cannot arrange the {count} elements of a sample as target_shape={self.target_shape}. "
                f"Received: shape={tuple(first.shape)}"
            )

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """(batch, *target_shape), where −1 is None if a size of the input is."""
        sizes, known = input_shape[1:], math.prod(n for n in self.target_shape if n != -1)
        rest = None if None in sizes else math.prod(sizes) // known if known else 0
        return (input_shape[0], *(rest if n == -1 else n for n in self.target_shape))

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """A KerasTensor of that shape and the input's dtype."""
        return KerasTensor(self.compute_output_shape(inputs.shape), inputs.dtype)

    def call(self, inputs: Any) -> Any:
        known = math.prod(n for n in self.target_shape if n != -1)
        rest = math.prod(inputs.shape[1:]) // known if known else 0  # NumPy cannot infer it of an empty batch
        return ops.reshape(inputs, (inputs.shape[0], *(rest if n == -1 else n for n in self.target_shape)))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"target_shape": self.target_shape}


class Permute(Layer):
    """The axes after the batch in another order: axis i of the output is axis `dims[i − 1]` of the input.

    Raises:
        ValueError: if `dims` is no permutation of 1, 2, ….
    """

    def __init__(self, dims: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"Invalid permutation argument `dims` for Permute Layer. The set of indices in `dims` must be "
                f"consecutive and start from 1. Received dims={dims}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        return ops.transpose(inputs, (0, *self.dims))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"dims": self.dims}


class RepeatVector(Layer):
    """(batch, features) → (batch, n, features).

    Raises:
        TypeError: if `n` is no int.
        ValueError: if it is not positive.
    """

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.n = _as_count(n, "n")
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        return _repeat(ops.expand_dims(inputs, 1), self.n, 1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"n": self.n}


def _as_count(n: Any, name: str) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        raise TypeError(f"Expected an integer value for `{name}`. Received: {name}={n!r}")
    if n <= 0:
        raise ValueError(f"Argument `{name}` should be a positive integer. Received: {name}={n}")
    return int(n)


class UpSampling1D(Layer):
    """Repeats each step `size` times: (batch, steps, channels) → (batch, steps·size, channels).

    Raises:
        TypeError: if `size` is no int.
        ValueError: if it is not positive.
    """

    def __init__(self, size: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = _as_count(size, "size")
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs: Any) -> Any:
        return _repeat(inputs, self.size, 1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"size": self.size}


class UpSampling3D(Layer):
    """Repeats each voxel along its three axes; `size` is an int or one per axis."""

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = as_tuple(size, 3, "size")
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=5)

    def call(self, inputs: Any) -> Any:
        first = 1 if self.data_format == "channels_last" else 2
        for axis, times in enumerate(self.size, first):
            inputs = _repeat(inputs, times, axis)
        return inputs

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"size": self.size, "data_format": self.data_format}


class UpSampling2D(Layer):
    """Repeats rows and columns, or interpolates between them.

    Args:
        size: an int or (rows, columns).
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".

    Raises:
        ValueError: on another interpolation.
    """

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.size = as_tuple(size, 2, "size")
        self.data_format = standardize_data_format(data_format)
        self.interpolation = str(interpolation).lower()
        check_choice(self.interpolation, INTERPOLATIONS, "interpolation")
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        first = 1 if self.data_format == "channels_last" else 2
        if self.interpolation != "nearest":
            size = [n * times for n, times in zip(inputs.shape[first : first + 2], self.size)]
            return ops.image.resize(inputs, size, self.interpolation, data_format=self.data_format)
        for axis, times in zip((first, first + 1), self.size):
            inputs = _repeat(inputs, times, axis) if times > 1 else inputs
        return inputs

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "size": self.size,
            "data_format": self.data_format,
            "interpolation": self.interpolation,
        }


def _repeat(x: Any, times: int, axis: int) -> Any:
    """Each slice along `axis`, `times` in a row, as a broadcast."""
    shape = tuple(x.shape)
    spread = ops.broadcast_to(ops.expand_dims(x, axis + 1), (*shape[: axis + 1], times, *shape[axis + 1 :]))
    return ops.reshape(spread, (*shape[:axis], shape[axis] * times, *shape[axis + 1 :]))
