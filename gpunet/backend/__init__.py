"""Devices, primitives and their providers; in public, what `keras.backend` says about dtypes."""

from typing import Any

from gpunet.backend.dtypes import as_dtype, is_float, is_integer
from gpunet.backend.dtypes import result_type as _result_type


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
