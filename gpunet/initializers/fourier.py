"""Kernels of convolutions that compute the short-time Fourier transform."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import ops
from gpunet.initializers.initializer import Initializer
from gpunet.serialization import deserialize, serialize

# Σ_k a_k·cos(2πkn / (size − 1)), of symmetric windows.
_COSINES = {
    "boxcar": (1.0,),
    "hann": (0.5, -0.5),
    "hamming": (0.54, -0.46),
    "blackman": (0.42, -0.5, 0.08),
    "nuttall": (0.3635819, -0.4891775, 0.1365995, -0.0106411),
    "blackmanharris": (0.35875, -0.48829, 0.14128, -0.01168),
}


def window_values(name: str, size: int, periodic: bool) -> np.ndarray:
    """A window by name, (size,) in float64; a periodic one leaves out the last value of one that is longer by one.

    Raises:
        ValueError: on another name; more of them are known where SciPy is installed.
    """
    if name not in (*_COSINES, "bartlett"):
        return _window_of_scipy(name, size, periodic)
    count = size + periodic
    if count == 1:
        return np.ones(size)
    if name == "bartlett":
        return np.bartlett(count)[:size]
    angle = 2 * np.pi * np.arange(count) / (count - 1)
    return np.sum([a * np.cos(k * angle) for k, a in enumerate(_COSINES[name])], axis=0)[:size]


def _window_of_scipy(name: str, size: int, periodic: bool) -> np.ndarray:
    try:
        from scipy.signal import get_window
    except ImportError:
        known = (*_COSINES, "bartlett")
        raise ValueError(f"window must be one of {known} where SciPy is missing. Received: window={name!r}") from None
    return get_window(name, size, periodic)


class STFT(Initializer):
    """The real or imaginary part of the Fourier basis, windowed: a kernel of shape (frame, 1, fft_length // 2 + 1).

    Args:
        side: "real" or "imag".
        window: the name of a window, its values (frame,), or None.
        scaling: "density" divides by the window's root of summed squares, "spectrum" by its sum; None not at all.
        periodic: whether the window is periodic, rather than symmetric.

    Raises:
        ValueError: on other values.
    """

    def __init__(
        self, side: str = "real", window: Any = "hann", scaling: str | None = "density", periodic: bool = False
    ):
        if side not in ("real", "imag"):
            raise ValueError(f"side should be 'real' or 'imag'. Received: side={side!r}")
        if isinstance(window, str):
            window_values(window, 1, periodic)
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(
                f"Scaling is invalid, it must be `None`, 'density' or 'spectrum'. Received: scaling={scaling}"
            )
        self.side = side
        self.window = deserialize(window)
        self.scaling = scaling
        self.periodic = periodic

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        frame, _, bins = shape
        time, frequency = np.arange(frame).reshape(-1, 1, 1), np.arange(bins) / (2 * (bins - 1))
        wave = (np.cos if self.side == "real" else np.sin)(-2 * np.pi * time * frequency)
        if self.window is not None:
            window = self._window(frame)
            norms = {None: 1.0, "density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(np.abs(window))}
            wave = wave * window.reshape(-1, 1, 1) / norms[self.scaling]
        return ops.cast(ops.convert_to_tensor(wave), dtype)

    def _window(self, frame: int) -> np.ndarray:
        window = self.window
        values = window_values(window, frame, self.periodic) if isinstance(window, str) else np.asarray(window, float)
        if values.shape != (frame,):
            raise ValueError(
                f"The shape of `window` must be equal to ({frame},). Received: window shape={values.shape}"
            )
        return values

    def get_config(self) -> dict[str, Any]:
        window = serialize(self.window)
        return {"side": self.side, "window": window, "periodic": self.periodic, "scaling": self.scaling}
