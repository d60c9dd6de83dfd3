"""Images as batches of channels-last arrays, whatever they come as, and constants beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.autograd.tensor import raw
from gpunet.backend.devices import device_of, to_device
from gpunet.backend.dtypes import as_dtype, float_type
from gpunet.config import standardize_data_format
from gpunet.ops import elementwise as el
from gpunet.ops.operands import cast_to, operand
from gpunet.ops.views import expand_dims, moveaxis, squeeze


def as_batch(images: Any, data_format: str | None, name: str = "images") -> tuple[Any, Callable[[Any], Any]]:
    """The images as (batch, height, width, channels), and what brings such a result back to their rank and format.

    Raises:
        ValueError: unless they are of rank 3 or 4.
    """
    x = operand(images)
    first = standardize_data_format(data_format) == "channels_first"
    if x.ndim not in (3, 4):
        raise ValueError(
            f"Invalid {name} rank: expected rank 3 (single image) or rank 4 (batch of images). "
            f"Received: {name}.shape={tuple(x.shape)}"
        )
    single = x.ndim == 3
    x = expand_dims(x, 0) if single else x
    x = moveaxis(x, 1, -1) if first else x

    def restored(y: Any) -> Any:
        y = moveaxis(y, -1, 1) if first else y
        return squeeze(y, 0) if single else y

    return x, restored


def constant(values: Any, beside: Any, dtype: Any = None) -> Any:
    """A NumPy array on the device of a tensor, in its float dtype where none is given."""
    values = np.asarray(values)
    return to_device(values.astype(as_dtype(dtype or float_type(beside.dtype))), device_of(raw(beside)))


def as_floats(x: Any) -> Any:
    """The array in a float dtype of at least 32 bits, in which images are computed."""
    dtype = float_type(x.dtype)
    return cast_to(x, "float32" if dtype.itemsize == 2 else dtype)


def as_before(x: Any, dtype: Any) -> Any:
    """Floats in the dtype that an image had: rounded and limited to what an integer holds."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        x = el.clip(el.round(x), float(limits.min), float(limits.max))
    return cast_to(x, dtype)


def check_choice(value: Any, choices: Any, name: str) -> None:
    """Raise ValueError unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected of one {tuple(choices)}. Received: {name}={value}"
        )
