"""What all pooling layers share."""

from __future__ import annotations

from typing import Any

from gpunet import ops
from gpunet.config import standardize_data_format
from gpunet.layers.convolutional.base_conv import as_tuple, check_windows
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.stateless import StatelessLayer


class BasePooling(StatelessLayer):
    """Pooling over `rank` spatial axes; a subclass sets `rank` and the op.

    Args:
        pool_size: an int or one per spatial axis.
        strides: the same; `pool_size` where None.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first"; the configured default where None.
    """

    rank: int
    pool: Any

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.pool_size = as_tuple(pool_size, self.rank, "pool_size")
        self.strides = self.pool_size if strides is None else as_tuple(strides, self.rank, "strides")
        self.padding = str(padding).lower()
        if self.padding not in ("valid", "same"):
            raise ValueError(f"padding must be 'valid' or 'same'. Received: padding={padding!r}")
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _check_inputs(self, first: Any) -> None:
        super()._check_inputs(first)
        check_windows(self.name, first.shape, self.data_format, self.pool_size, self.padding)

    def call(self, inputs: Any) -> Any:
        return type(self).pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
        }


class BaseGlobalPooling(StatelessLayer):
    """A reduction over all spatial axes; a subclass sets `rank` and the op.

    Args:
        keepdims: keep the spatial axes with size 1.
    """

    rank: int
    reduce: Any

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        first = 1 if self.data_format == "channels_last" else 2
        return type(self).reduce(inputs, tuple(range(first, first + self.rank)), self.keepdims)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"data_format": self.data_format, "keepdims": self.keepdims}


class MaxPooling(BasePooling):
    """The largest element of each window."""

    pool = staticmethod(ops.max_pool)


class MinPooling(BasePooling):
    """The smallest element of each window."""

    pool = staticmethod(ops.min_pool)


class AveragePooling(BasePooling):
    """The mean of each window, padding not counted."""

    pool = staticmethod(ops.average_pool)


class GlobalMaxPooling(BaseGlobalPooling):
    """The largest element over all spatial axes."""

    reduce = staticmethod(ops.max)


class GlobalAveragePooling(BaseGlobalPooling):
    """The mean over all spatial axes."""

    reduce = staticmethod(ops.mean)


class BaseAdaptivePooling(StatelessLayer):
    """Pooling to `output_size` windows along each of `rank` spatial axes, whatever the size of the inputs.

    Args:
        output_size: an int or one per spatial axis.
        data_format: "channels_last" or "channels_first"; the configured default where None.
    """

    rank: int
    pool: Any

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.output_size = as_tuple(output_size, self.rank, "output_size")
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        return type(self).pool(inputs, self.output_size, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"output_size": self.output_size, "data_format": self.data_format}


class AdaptiveAveragePooling(BaseAdaptivePooling):
    """The mean of each window."""

    pool = staticmethod(ops.adaptive_average_pool)


class AdaptiveMaxPooling(BaseAdaptivePooling):
    """The largest element of each window."""

    pool = staticmethod(ops.adaptive_max_pool)


class GlobalMinPooling(BaseGlobalPooling):
    """The smallest element over all spatial axes."""

    reduce = staticmethod(ops.min)
