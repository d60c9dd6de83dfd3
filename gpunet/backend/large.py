"""Large calls of NumPy's ufuncs, which several threads can share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backend.memory import empty_like

Sharer = Callable[[np.ufunc, np.ndarray, Any, np.ndarray], Any]
sharers: list[Sharer] = []
"""Each may compute out = ufunc(a, b) in the ufunc's bits, and return True; else it returns NotImplemented."""


def of_two(implementation: Callable, a: Any, b: Any) -> Any:
    """An elementwise call on a large array and on one of its shape and dtype, or a number."""
    out = empty_like(a)
    if out is not None and type(implementation) is np.ufunc:  # NumPy's own, and nobody watches the call
        for sharer in sharers:
            if sharer(implementation, a, b, out) is True:
                return out
    return implementation(a, b, out=out)
