"""Devices, primitives and their providers; in public, the names of `keras.backend`."""

import importlib
from typing import Any

from gpunet.backend.dtypes import as_dtype, is_float, is_integer
from gpunet.backend.dtypes import result_type as _result_type
from gpunet.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype given as a name, a Python type or another library's dtype; None is `floatx()`.

    Raises:
        ValueError: if it is not a dtype that gpunet computes with.
    """
    return as_dtype(dtype).name


def is_float_dtype(dtype: Any) -> bool:
    """Whether a dtype is of floats."""
    return is_float(as_dtype(dtype))


def is_int_dtype(dtype: Any) -> bool:
    """Whether a dtype is of integers; bool is not."""
    return is_integer(as_dtype(dtype))


def result_type(*dtypes: Any) -> str:
    """The name of the dtype in which an op on these dtypes computes."""
    return _result_type(*dtypes).name


_FURTHER_UP = {
    "clear_session": ("gpunet.utils.global_state", "clear_session"),
    "get_uid": ("gpunet.symbolic.operation", "get_uid"),
    "is_keras_tensor": ("gpunet.symbolic", "is_keras_tensor"),
}


def __getattr__(name: str) -> Any:
    """What Keras has here and gpunet elsewhere."""
    if name in _FURTHER_UP:
        module, attribute = _FURTHER_UP[name]
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "backend",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]
