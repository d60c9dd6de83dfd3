"""Vectors of numbers: windows of signals, and numbers at equal ratios."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.autograd.tensor import Tensor, raw
from gpunet.backend.devices import default_device, to_host
from gpunet.backend.dtypes import as_dtype


def _window(function: Any, x: Any, *arguments: float) -> Tensor:
    count = int(to_host(raw(x))) if hasattr(x, "shape") else int(x)
    return Tensor(function(count, *arguments).astype(as_dtype(None)), device=default_device())


def bartlett(x: int) -> Tensor:
    """Bartlett's window, a triangle, of x points."""
    return _window(np.bartlett, x)


def blackman(x: int) -> Tensor:
    """Blackman's window of x points."""
    return _window(np.blackman, x)


def hamming(x: int) -> Tensor:
    """Hamming's window of x points."""
    return _window(np.hamming, x)


def hanning(x: int) -> Tensor:
    """Hann's window of x points."""
    return _window(np.hanning, x)


def kaiser(x: int, beta: float) -> Tensor:
    """Kaiser's window of x points with the shape parameter beta."""
    return _window(np.kaiser, x, float(beta))


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10, dtype: Any = None, axis: int = 0
) -> Tensor:
    """`num` numbers from base^start to base^stop whose logarithms are evenly spaced."""
    start, stop = (to_host(raw(v)) if hasattr(v, "shape") else v for v in (start, stop))
    values = np.logspace(start, stop, num, endpoint, base, axis=axis)
    return Tensor(values.astype(as_dtype(dtype)), device=default_device())


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Tensor:
    """`num` numbers from start to stop, each a constant multiple of the one before."""
    start, stop = (to_host(raw(v)) if hasattr(v, "shape") else v for v in (start, stop))
    values = np.geomspace(start, stop, num, endpoint, axis=axis)
    return Tensor(values.astype(as_dtype(dtype)), device=default_device())
