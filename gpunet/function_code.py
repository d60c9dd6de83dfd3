"""Python lambdas as the code in configurations, as Keras writes it, and back: to be run only if the user says so."""

from __future__ import annotations

import base64
import binascii
import builtins
import marshal
import sys
import types
from typing import Any

import numpy as np


def dump_function(function: types.FunctionType) -> list[Any]:
    """The code of a function in base64, its defaults and the values that it closes over.

    Raises:
        TypeError: if it closes over, or has as a default, what is no plain data.
    """
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    for value in [*cells, *(function.__defaults__ or ())]:
        if not isinstance(value, bool | int | float | str | None):
            raise TypeError(
                f"a lambda that holds a {type(value).__name__} cannot be written: define a function and register it "
                f"with gpunet.saving.register_keras_serializable. Received: {function}"
            )
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode()
    return [code, list(function.__defaults__) if function.__defaults__ else None, cells or None]


def load_function(code: str, defaults: Any = None, closure: Any = None) -> types.FunctionType:
    """The function of `dump_function`; it finds the names `keras`, `gpunet`, `ops` and `np`.

    Raises:
        ValueError: if the code is damaged, or of another version of Python.
    """
    try:
        found = marshal.loads(base64.decodebytes(code.encode("ascii")))
    except (ValueError, EOFError, TypeError, AttributeError, UnicodeEncodeError, binascii.Error) as error:
        raise ValueError(f"the code of a Python lambda cannot be read by this Python. Received: {error}") from None
    if not isinstance(found, types.CodeType) or len(closure or ()) != len(found.co_freevars):
        raise ValueError(f"expected the code of a function. Received: {type(found).__name__}")
    library = sys.modules["gpunet"]
    known = {"__builtins__": builtins, "np": np, "numpy": np, "keras": library, "gpunet": library, "ops": library.ops}
    cells = tuple(types.CellType(value) for value in closure or ())
    return types.FunctionType(found, known, found.co_name, tuple(defaults) if defaults else None, cells)
