"""Layers that pad and crop the spatial axes."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.config import standardize_data_format
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.layer import Layer

Pairs = tuple[tuple[int, int], ...]


def _as_pairs(value: Any, rank: int, name: str) -> Pairs:
    """An int, `rank` ints or `rank` (low, high) pairs, or one pair for one axis, as pairs.

    Raises:
        ValueError: on another structure or a negative number.
    """
    several = isinstance(value, list | tuple)
    values = (value,) if several and rank == 1 else value if several else (value,) * rank
    pairs = tuple(tuple(v) if isinstance(v, list | tuple) else (v, v) for v in values)
    numbers = [n for pair in pairs for n in pair]
    if len(pairs) != rank or any(len(p) != 2 for p in pairs) or any(not isinstance(n, int) or n < 0 for n in numbers):
        forms = "a (low, high) pair" if rank == 1 else f"a tuple of {rank} ints or {rank} (low, high) pairs"
        raise ValueError(
            f"`{name}` must be an int or {forms} of ints, none of them negative. Received: {name}={value!r}"
        )
    return pairs


class _Borders(Layer):
    """The base of layers with a (low, high) pair per spatial axis; a subclass sets `rank`."""

    rank: int

    def __init__(self, pairs: Pairs, data_format: str | None, **kwargs: Any):
        super().__init__(**kwargs)
        self._pairs = pairs
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _all_pairs(self) -> Pairs:
        """The pairs, and (0, 0) for batch and channels."""
        none = (0, 0)
        return (none, none, *self._pairs) if self.data_format == "channels_first" else (none, *self._pairs, none)

    def _as_argument(self) -> Any:
        return self._pairs if self.rank > 1 else self._pairs[0]


class BaseZeroPadding(_Borders):
    """Adds zeros at the ends of the spatial axes.

    Args:
        padding: an int for all ends, or per axis an int or a (low, high) pair.
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any):
        super().__init__(_as_pairs(padding, self.rank, "padding"), data_format, **kwargs)
        self.padding = self._as_argument()

    def call(self, inputs: Any) -> Any:
        return ops.pad(inputs, self._all_pairs())

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"padding": self.padding, "data_format": self.data_format}


class ZeroPadding1D(BaseZeroPadding):
    """(batch, steps, channels) with zeros before and after."""

    rank = 1


class ZeroPadding2D(BaseZeroPadding):
    """(batch, height, width, channels) with zeros around."""

    rank = 2


class ZeroPadding3D(BaseZeroPadding):
    """(batch, depth, height, width, channels) with zeros around."""

    rank = 3


class BaseCropping(_Borders):
    """Cuts elements off the ends of the spatial axes.

    Args:
        cropping: an int for all ends, or per axis an int or a (low, high) pair.

    Raises:
        ValueError: when called, if nothing is left of an axis.
    """

    _too_much = "Values in `cropping` argument should be smaller than the corresponding spatial dimension of the input"

    def __init__(self, cropping: Any, data_format: str | None = None, **kwargs: Any):
        super().__init__(_as_pairs(cropping, self.rank, "cropping"), data_format, **kwargs)
        self.cropping = self._as_argument()

    def _check_inputs(self, first: Any) -> None:
        super()._check_inputs(first)
        sizes = zip(first.shape, self._all_pairs())
        if any(n is not None and low + high and n <= low + high for n, (low, high) in sizes):
            raise ValueError(f"{self._too_much}. Received: inputs.shape={tuple(first.shape)}, cropping={self.cropping}")

    def call(self, inputs: Any) -> Any:
        return inputs[tuple(slice(low, n - high) for n, (low, high) in zip(inputs.shape, self._all_pairs()))]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"cropping": self.cropping, "data_format": self.data_format}


class Cropping1D(BaseCropping):
    """(batch, steps, channels) without the first and last steps."""

    rank = 1
    _too_much = "`cropping` parameter of `Cropping1D` layer must be smaller than the input length"

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any):
        super().__init__(cropping, "channels_last", **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["data_format"]
        return config


class Cropping2D(BaseCropping):
    """(batch, height, width, channels) without its borders."""

    rank = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(BaseCropping):
    """(batch, depth, height, width, channels) without its borders."""

    rank = 3

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)
