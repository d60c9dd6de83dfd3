"""Dtypes: one spelling for all inputs, and Keras's promotion rules.

Promotion follows the lattice of JAX ("JAX type promotion semantics") with Keras 3's choice of results for
weak types: a Python int or float adapts to the array it meets, and alone it becomes int32 or `floatx()`.
"""

from __future__ import annotations

import functools
from typing import Any

import ml_dtypes
import numpy as np

from gpunet import config

FLOAT16 = np.dtype("float16")
FLOAT32 = np.dtype("float32")
FLOAT64 = np.dtype("float64")
BOOL = np.dtype("bool")
INT32 = np.dtype("int32")

_ALIASES = {"int": "int32", "half": "float16", "double": "float64"}
_NAMES = """
    bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 bfloat16 float16 float32 float64
""".split()
# Each dtype's direct successors; "i*" and "f*" are the weak Python int and float.
_LATTICE = {
    "bool": ("i*",),
    "i*": ("uint8", "int8"),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("f*",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("f*",),
    "f*": ("bfloat16", "float16"),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64",),
    "float64": (),
}


BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_DTYPES = {name: BFLOAT16 if name == "bfloat16" else np.dtype(name) for name in _NAMES}
_NAME_OF = {dtype: name for name, dtype in _DTYPES.items()}  # np.dtype.name takes a microsecond
FLOATS = frozenset(_DTYPES[name] for name in ("float16", "bfloat16", "float32", "float64"))


def _from_name(name: str) -> np.dtype:
    dtype = _DTYPES.get(_ALIASES.get(name, name))
    if dtype is None:
        raise ValueError(f"Invalid dtype: expected one of {', '.join(_NAMES)}. Received: dtype={name!r}")
    return dtype


def as_dtype(dtype: Any) -> np.dtype:
    """Return the NumPy dtype for a name, a NumPy/CuPy/torch dtype or a Python type; None is `floatx()`.

    Raises:
        ValueError: if it is not a dtype that gpunet computes with.
    """
    if isinstance(dtype, np.dtype) and dtype in _NAME_OF:
        return dtype
    if type(dtype) is str:
        return _from_name(config.floatx() if dtype in ("float", "floatx") else dtype)
    if dtype is None or dtype is float:
        return _from_name(config.floatx())
    if isinstance(dtype, np.dtype):
        return _from_name(dtype.name)
    if dtype is int or dtype is bool:
        return INT32 if dtype is int else BOOL
    if hasattr(dtype, "dtype") and not isinstance(dtype, type):
        return as_dtype(dtype.dtype)
    if type(dtype).__module__.startswith(("torch", "tensorflow")):
        return _from_name(getattr(dtype, "name", None) or str(dtype).removeprefix("torch."))
    try:
        return _from_name(np.dtype(dtype).name)
    except TypeError:
        raise ValueError(f"Invalid dtype. Received: dtype={dtype!r}") from None


def is_float(dtype: np.dtype) -> bool:
    """True for float16, bfloat16, float32 and float64."""
    return dtype in FLOATS


def is_integer(dtype: np.dtype) -> bool:
    """True for signed and unsigned integers; False for bool."""
    return dtype.kind in "iu"


@functools.cache
def _ancestors(name: str) -> frozenset[str]:
    above = {name}
    for successor in _LATTICE[name]:
        above |= _ancestors(successor)
    return frozenset(above)


@functools.cache
def _join(names: frozenset[str]) -> str:
    """The least upper bound of dtype names in the lattice."""
    common = frozenset.intersection(*(_ancestors(n) for n in names))
    return next(n for n in common if common <= _ancestors(n))


def lattice_name(value: Any) -> str:
    """The lattice node of an operand: its dtype's name, or "i*" / "f*" for a Python number."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "i*"
    if isinstance(value, float):
        return "f*"
    return value if isinstance(value, str) else _NAME_OF[as_dtype(value)]


def result_type(*operands: Any) -> np.dtype:
    """Return the dtype that an op on these dtypes, arrays or Python numbers computes in (Keras 3's rules)."""
    join = _join(frozenset(map(lattice_name, operands)))
    if join == "f*":
        return as_dtype(None)
    return INT32 if join == "i*" else _from_name(join)


def float_type(dtype: np.dtype) -> np.dtype:
    """The dtype in which float-valued functions of a `dtype` array compute: itself, or `floatx()`."""
    return dtype if is_float(dtype) else as_dtype(None)
