"""Fourier transforms. Complex numbers are pairs (real, imaginary), as in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.autograd.tensor import raw
from gpunet.backend.abstract import AbstractArray
from gpunet.backend.devices import device_of, to_device
from gpunet.backend.dtypes import is_float
from gpunet.ops import elementwise as el
from gpunet.ops.indexing import getitem
from gpunet.ops.joining import pad
from gpunet.ops.library import library_function, wide
from gpunet.ops.operands import operand, promote
from gpunet.ops.views import reshape
from gpunet.symbolic.ops import symbolic_op


def _parts(found: Any, dtype: Any) -> tuple:
    """The two parts of a complex array, each an array of its own."""
    return found.real.astype(dtype), found.imag.astype(dtype)


def _transform(xp, real, imaginary, *, axes, inverse):
    whole = real + 1j * imaginary
    transform = xp.fft.ifftn if inverse else xp.fft.fftn
    return _parts(transform(whole, axes=axes, norm="forward" if inverse else "backward"), real.dtype)


def _transform_gradient(g, r):
    """The transform is symmetric, so its adjoint is the conjugate one; neither is scaled."""
    real, imaginary = (el.zeros_like(other) if part is None else part for part, other in zip(g, reversed(g)))
    return _dft(real, imaginary, axes=r.attributes["axes"], inverse=not r.attributes["inverse"])


# Σ x·e^(∓2πi·jk/n) over axes, without a factor either way.
_dft = library_function(
    "dft",
    _transform,
    lambda real, imaginary, *, axes, inverse: (AbstractArray(real.shape, real.dtype),) * 2,
    _transform_gradient,
    "",
)


def _half_transform(xp, x, *, length):
    return _parts(xp.fft.rfft(x, n=length), x.dtype)


def _half_shapes(x, *, length):
    return (AbstractArray((*x.shape[:-1], length // 2 + 1), x.dtype),) * 2


def _half_gradient(g, r):
    n = r.attributes["length"]
    real, imaginary = (el.zeros_like(other) if part is None else part for part, other in zip(g, reversed(g)))
    weights = _weights(real, n, 1.0, 0.5)
    full = _inverse_half(el.multiply(real, weights), el.multiply(imaginary, weights), length=n)
    return (_cut(el.multiply(full, float(n)), r.shapes[0][-1]),)


# The first half of the transform of real numbers along the last axis, cut or filled to `length` with zeros.
_half = library_function("rfft", _half_transform, _half_shapes, _half_gradient, "")


def _inverse_half_transform(xp, real, imaginary, *, length):
    return xp.fft.irfft(real + 1j * imaginary, n=length).astype(real.dtype)


def _inverse_half_gradient(g, r):
    n = r.attributes["length"]
    real, imaginary = _half(g, length=n)
    weights = el.divide(_weights(real, n, 1.0, 2.0), float(n))
    size = r.shapes[0][-1]
    return _cut(el.multiply(real, weights), size), _cut(el.multiply(imaginary, weights), size)


_inverse_half = library_function(
    "irfft",
    _inverse_half_transform,
    lambda real, imaginary, *, length: AbstractArray((*real.shape[:-1], length), real.dtype),
    _inverse_half_gradient,
    "",
)


def _weights(like: Any, length: int, ends: float, others: float) -> Any:
    """For the places of half a transform: `ends` at those that stand for one frequency, `others` for two."""
    weights = np.full(length // 2 + 1, others, like.dtype)
    weights[0] = ends
    if length % 2 == 0:
        weights[-1] = ends
    return to_device(weights, device_of(raw(like)))


def _cut(x: Any, size: int) -> Any:
    """x with `size` places on the last axis, cut off or filled with zeros."""
    extra = size - x.shape[-1]
    return pad(x, [(0, 0)] * (len(x.shape) - 1) + [(0, extra)]) if extra > 0 else getitem(x, (..., slice(size)))


def _complex(x: Any) -> tuple:
    """The parts of a complex number, in their common float dtype.

    Raises:
        ValueError: if x is not a pair of floats of the same shape.
    """
    if not isinstance(x, list | tuple) or len(x) != 2:
        raise ValueError(f"Input `x` should be a tuple of two tensors - real and imaginary. Received: x={x}")
    real, imaginary = map(operand, x)
    if tuple(real.shape) != tuple(imaginary.shape):
        raise ValueError(
            f"Both the real and imaginary parts should have the same shape. "
            f"Received: x[0].shape = {tuple(real.shape)}, x[1].shape = {tuple(imaginary.shape)}"
        )
    if not (is_float(real.dtype) and is_float(imaginary.dtype)):
        raise ValueError(
            f"At least one tensor in input `x` is not of type float. Received: {real.dtype}, {imaginary.dtype}"
        )
    return tuple(promote(wide(real), wide(imaginary)))


def _rank(parts: tuple, least: int, name: str) -> tuple:
    if parts[0].ndim < least:
        raise ValueError(f"{name}: input should have rank >= {least}. Received: shape={tuple(parts[0].shape)}")
    return parts


@symbolic_op
def fft(x: Any) -> tuple:
    """The Fourier transform along the last axis of a pair (real, imaginary), as such a pair: Σ_j x_j·e^(−2πi·jk/n)."""
    return _dft(*_rank(_complex(x), 1, "fft"), axes=(-1,), inverse=False)


@symbolic_op
def fft2(x: Any) -> tuple:
    """The same along the last two axes."""
    return _dft(*_rank(_complex(x), 2, "fft2"), axes=(-2, -1), inverse=False)


@symbolic_op
def ifft2(x: Any) -> tuple:
    """The inverse of `fft2`."""
    real, imaginary = _rank(_complex(x), 2, "ifft2")
    count = real.shape[-1] * real.shape[-2]
    return tuple(el.divide(part, float(count)) for part in _dft(real, imaginary, axes=(-2, -1), inverse=True))


@symbolic_op
def rfft(x: Any, fft_length: int | None = None) -> tuple:
    """The first half, n // 2 + 1 places, of the transform of real numbers along the last axis, as a pair.

    Args:
        fft_length: n; x is cut or filled with zeros to it. That of the axis where None.
    """
    x = wide(x)
    return _half(x, length=_length(fft_length, x.shape[-1], "rfft"))


@symbolic_op
def irfft(x: Any, fft_length: int | None = None) -> Any:
    """The inverse of `rfft`, real numbers.

    Args:
        fft_length: n; 2·(places − 1) where None.
    """
    real, imaginary = _rank(_complex(x), 1, "irfft")
    return _inverse_half(real, imaginary, length=_length(fft_length, 2 * (real.shape[-1] - 1), "irfft"))


def _length(given: int | None, default: int, name: str) -> int:
    length = default if given is None else int(given)
    if length < 1:
        raise ValueError(f"{name}: `fft_length` must be at least 1. Received: fft_length={given}")
    return length


@symbolic_op
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Windows of the last axis: (…, n) → (…, 1 + (n − sequence_length) // sequence_stride, sequence_length)."""
    x = operand(x)
    count = 1 + (x.shape[-1] - sequence_length) // sequence_stride
    if count < 1:
        raise ValueError(
            f"the last axis is shorter than a window. Received: shape={tuple(x.shape)}, "
            f"sequence_length={sequence_length}"
        )
    places = np.arange(count)[:, None] * sequence_stride + np.arange(sequence_length)
    return getitem(x, (..., to_device(places.astype("int32"), device_of(raw(x)))))


@symbolic_op
def stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> tuple:
    """The transforms of overlapping windows of the last axis, a pair of (…, windows, fft_length // 2 + 1).

    Args:
        sequence_length, sequence_stride: of the windows.
        fft_length: of the transforms; windows stand in their middle.
        window: "hann", "hamming", a vector of weights, or None for ones.
        center: begin half a transform before the first sample, which mirrors the ends.

    Raises:
        TypeError: if x is neither float32 nor float64.
        ValueError: on lengths or windows that do not fit.
    """
    x = operand(x)
    if str(x.dtype) not in ("float32", "float64"):
        raise TypeError(f"Invalid input type. Expected `float32` or `float64`. Received: input type={x.dtype}")
    weights = _window(window, sequence_length, sequence_stride, fft_length, x.dtype)
    if center:
        x = pad(x, [(0, 0)] * (x.ndim - 1) + [(fft_length // 2,) * 2], mode="reflect")
    frames = extract_sequences(x, fft_length, sequence_stride)
    return rfft(el.multiply(frames, to_device(weights, device_of(raw(x)))))


@symbolic_op
def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """The signal (…, samples) whose `stft` is the pair x, where windows overlap enough; arguments as for `stft`.

    Args:
        length: of the result, all of the signal where None.
    """
    real, imaginary = _rank(_complex(x), 2, "istft")
    weights = _window(window, sequence_length, sequence_stride, fft_length, real.dtype)
    frames = irfft((real, imaginary), fft_length)
    count = frames.shape[-2]
    weighted = el.multiply(frames, to_device(weights, device_of(raw(frames))))
    signal = _overlapped(weighted, sequence_stride)
    squares = _overlapped(np.broadcast_to(np.square(weights), (count, fft_length)).copy(), sequence_stride)
    squares = np.where(squares > 1e-10, squares, 1).astype(real.dtype)
    signal = el.divide(signal, to_device(squares, device_of(raw(signal))))
    start = fft_length // 2 if center else 0
    stop = start + length if length is not None else signal.shape[-1] - (fft_length // 2 if center else 0)
    return getitem(signal, (..., slice(start, stop)))


def _window(window: Any, length: int, stride: int, fft_length: int, dtype: Any) -> np.ndarray:
    """The weights of a frame of `fft_length`, the window in its middle."""
    if not isinstance(stride, int) or stride <= 0:
        raise ValueError(f"`sequence_stride` must be a positive integer. Received: sequence_stride={stride}")
    if fft_length < length:
        raise ValueError(
            f"`fft_length` must equal or larger than `sequence_length`. "
            f"Received: sequence_length={length}, fft_length={fft_length}"
        )
    if isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueError(
                f'If a string is passed to `window`, it must be one of `"hann"`, `"hamming"`. Received: window={window}'
            )
        found = (np.hanning if window == "hann" else np.hamming)(length + 1)[:-1]  # periodic
    else:
        found = np.ones(length) if window is None else np.asarray(window)
    if found.shape != (length,):
        raise ValueError(
            f"The shape of `window` must be equal to [sequence_length]. Received: window shape={found.shape}"
        )
    left = (fft_length - length) // 2
    return np.pad(found, (left, fft_length - length - left)).astype(dtype)


def _overlapped(frames: Any, stride: int) -> Any:
    """The sums of frames (…, count, size), each `stride` after the one before: (…, size + (count − 1)·stride)."""
    *lead, count, size = frames.shape
    blocks = -(-size // stride)
    padded = pad(frames, [(0, 0)] * (len(lead) + 1) + [(0, blocks * stride - size)])
    parts = reshape(padded, (*lead, count, blocks, stride))
    total = None
    for b in range(blocks):  # block b of every frame, b blocks later
        part = reshape(getitem(parts, (..., b, slice(None))), (*lead, count * stride))
        part = pad(part, [(0, 0)] * len(lead) + [(b * stride, (blocks - 1 - b) * stride)])
        total = part if total is None else el.add(total, part)
    return getitem(total, (..., slice(size + (count - 1) * stride)))
