"""Sounds as pictures of their frequencies over time."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from gpunet import initializers, ops
from gpunet.config import epsilon, standardize_data_format
from gpunet.layers.input_spec import InputSpec
from gpunet.layers.layer import Layer
from gpunet.ops.image.layout import check_choice
from gpunet.serialization import deserialize, serialize

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
_FLOATS = ("float16", "bfloat16", "float32", "float64")


class STFTSpectrogram(Layer):
    """Short-time Fourier transforms as a trainable convolution: (batch, samples, channels) → (batch, frames, bins).

    There are fft_length // 2 + 1 bins of each channel, side by side.

    Args:
        mode: "log", "magnitude", "psd", "real", "imag", "angle", or "stft" for real and imaginary parts, one behind
            the other.
        frame_length: samples of a window.
        frame_step: the distance between windows, half of one where None.
        fft_length: the next power of two from `frame_length` where None.
        window, scaling, periodic: as for `initializers.STFT`.
        padding: "valid" or "same".
        expand_dims: keep the channels apart, (batch, frames, bins, channels).
        data_format: "channels_first" for (batch, channels, samples) → (batch, bins, frames).

    Raises:
        ValueError: on other modes and lengths that do not fit.
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if frame_step is not None and not 1 <= frame_step <= frame_length:
            raise ValueError(
                f"`frame_step` should be a positive integer not greater than `frame_length`. "
                f"Received frame_step={frame_step}, frame_length={frame_length}"
            )
        if fft_length is not None and fft_length < frame_length:
            raise ValueError(
                f"`fft_length` should be not less than `frame_length`. "
                f"Received fft_length={fft_length}, frame_length={frame_length}"
            )
        if fft_length is not None and fft_length & (fft_length - 1):
            warnings.warn(
                f"`fft_length` is recommended to be a power of two. Received fft_length={fft_length}", stacklevel=2
            )
        check_choice(mode, _MODES, "mode")
        check_choice(scaling, (None, "density", "spectrum"), "scaling")
        check_choice(padding, ("valid", "same"), "padding")
        self.mode = mode
        self.frame_length = frame_length
        self.frame_step = frame_step
        self.fft_length = fft_length
        self.window = window
        self.periodic = periodic
        self.scaling = scaling
        self.padding = padding
        self.expand_dims = expand_dims
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=3)

        self.real_kernel: Any = None
        self.imag_kernel: Any = None

    @property
    def _bins(self) -> int:
        return (self.fft_length or 1 << (self.frame_length - 1).bit_length()) // 2 + 1

    def build(self, input_shape: Any) -> None:
        for side, other in (("real", "imag"), ("imag", "real")):
            if self.mode != other:
                kernel = self.add_weight(
                    name=f"{side}_kernel",
                    shape=(self.frame_length, 1, self._bins),
                    initializer=initializers.STFT(side, self.window, self.scaling, self.periodic),
                )
                setattr(self, f"{side}_kernel", kernel)

    def call(self, inputs: Any) -> Any:
        if inputs.dtype.name not in _FLOATS:
            raise TypeError(
                f"Invalid input type. Expected `float16`, `float32` or `float64`. Received: input type={inputs.dtype}"
            )
        real = None if self.mode == "imag" else self._transformed(inputs, self.real_kernel)
        imaginary = None if self.mode == "real" else self._transformed(inputs, self.imag_kernel)
        return self._arranged(self._shown(real, imaginary))

    def _transformed(self, inputs: Any, kernel: Any) -> Any:
        """The inputs' frames times a kernel, (batch, channels, frames, bins)."""
        if self.data_format == "channels_last":
            inputs = ops.transpose(inputs, (0, 2, 1))
        _, channels, samples = inputs.shape
        y = ops.conv(
            ops.reshape(inputs, (-1, samples, 1)),
            ops.cast(kernel, inputs.dtype),
            strides=self.frame_step or self.frame_length // 2,
            padding=self.padding,
            data_format="channels_last",
        )
        return ops.reshape(y, (-1, channels, *y.shape[1:]))

    def _shown(self, real: Any, imaginary: Any) -> Any:
        """What the mode makes of both parts."""
        if self.mode in ("real", "imag"):
            return real if imaginary is None else imaginary
        if self.mode == "angle":
            return ops.arctan2(imaginary, real)
        if self.mode == "stft":
            return ops.concatenate([real, imaginary], axis=-1)
        power = ops.square(real) + ops.square(imaginary)
        if self.mode == "psd":  # bins between the ends stand for two frequencies
            return power + ops.pad(power[..., 1:-1], [(0, 0), (0, 0), (0, 0), (1, 1)])
        size = ops.sqrt(ops.maximum(power, epsilon()))
        return size if self.mode == "magnitude" else ops.log(ops.maximum(size, epsilon()))

    def _arranged(self, y: Any) -> Any:
        """(batch, channels, frames, bins) as the layer returns it."""
        first = self.data_format == "channels_first"
        if self.expand_dims:
            return y if first else ops.transpose(y, (0, 2, 3, 1))
        _, channels, frames, bins = y.shape
        if first:
            return ops.reshape(ops.transpose(y, (0, 1, 3, 2)), (-1, channels * bins, frames))
        return ops.reshape(ops.transpose(y, (0, 2, 1, 3)), (-1, frames, channels * bins))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "mode": self.mode,
            "frame_length": self.frame_length,
            "frame_step": self.frame_step,
            "fft_length": self.fft_length,
            "window": serialize(self.window),
            "periodic": self.periodic,
            "scaling": self.scaling,
            "padding": self.padding,
            "data_format": self.data_format,
            "expand_dims": self.expand_dims,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer of a configuration."""
        return super().from_config(config | {"window": deserialize(config.get("window", "hann"))})


class MelSpectrogram(Layer):
    """The power of sounds in bands of the mel scale: (…, samples) → (…, num_mel_bins, frames).

    Args:
        fft_length: of the transforms.
        sequence_stride: samples from one frame to the next.
        sequence_length: samples of a window, `fft_length` where None.
        window: "hann", "hamming", a vector of weights, or None.
        sampling_rate: samples a second.
        num_mel_bins, min_freq, max_freq: the bands, from a frequency to another, half the sampling rate where None.
        power_to_db: decibels, relative to `ref_power` and at most `top_db` below the largest.
        mag_exp: 1 for magnitudes, 2 for power.
        min_power: what is taken for no power.

    Raises:
        ValueError: if windows are longer than transforms.
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.fft_length = fft_length
        self.sequence_stride = sequence_stride
        self.sequence_length = sequence_length or fft_length
        if self.fft_length < self.sequence_length:
            raise ValueError(
                f"`fft_length` must be greater than or equal to `sequence_length`. "
                f"Received: `sequence_length`={self.sequence_length}, `fft_length`={self.fft_length}."
            )
        self.window = window
        self.sampling_rate = sampling_rate
        self.num_mel_bins = num_mel_bins
        self.min_freq = min_freq
        self.max_freq = max_freq or int(sampling_rate / 2)
        self.power_to_db = power_to_db
        self.top_db = top_db
        self.mag_exp = mag_exp
        self.min_power = min_power
        self.ref_power = ref_power
        self.built = True

    def call(self, inputs: Any) -> Any:
        wide = self.compute_dtype if self.compute_dtype == "float64" else "float32"
        parts = ops.stft(
            ops.cast(inputs, wide), self.sequence_length, self.sequence_stride, self.fft_length, self.window
        )
        power = ops.power(ops.sqrt(ops.square(parts[0]) + ops.square(parts[1])), self.mag_exp)
        bands = ops.matmul(power, self._bands().astype(wide))
        found = self._decibels(bands) if self.power_to_db else bands
        return ops.cast(ops.swapaxes(found, -1, -2), self.compute_dtype)

    def _decibels(self, power: Any) -> Any:
        reference = 10.0 * np.log10(max(abs(self.ref_power), self.min_power))
        found = 10.0 * ops.log10(ops.maximum(power, self.min_power)) - float(reference)
        return ops.maximum(found, ops.max(found, initial=-math.inf) - self.top_db)

    def _bands(self) -> np.ndarray:
        """Triangles over the frequencies of a transform, (fft_length // 2 + 1, num_mel_bins), as HTK has them."""
        frequencies = np.linspace(0, self.sampling_rate / 2, self.fft_length // 2 + 1)[1:, None]
        edges = np.linspace(_mel(self.min_freq), _mel(self.max_freq), self.num_mel_bins + 2)
        low, centre, high = edges[:-2], edges[1:-1], edges[2:]
        place = _mel(frequencies)
        slopes = (place - low) / (centre - low), (high - place) / (high - centre)
        return np.pad(np.maximum(0.0, np.minimum(*slopes)), ((1, 0), (0, 0)))

    def get_config(self) -> dict[str, Any]:
        names = (
            "fft_length sequence_stride sequence_length sampling_rate num_mel_bins min_freq max_freq power_to_db "
            "top_db mag_exp min_power ref_power"
        )
        own = {name: getattr(self, name) for name in names.split()}
        return super().get_config() | own | {"window": serialize(self.window)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer of a configuration."""
        return super().from_config(config | {"window": deserialize(config.get("window", "hann"))})


def _mel(frequency: Any) -> Any:
    """Hertz in mel."""
    return 1127.0 * np.log1p(frequency / 700.0)
