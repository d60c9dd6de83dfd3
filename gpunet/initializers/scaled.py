"""Random initializers: plain distributions, variances scaled to the layer's fans, and orthogonal matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet import ops, random
from gpunet.initializers.initializer import RandomInitializer


class RandomNormal(RandomInitializer):
    """Normal with the given mean and standard deviation."""

    _sampler = staticmethod(random.normal)

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None):
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return self._sampler(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


class TruncatedNormal(RandomNormal):
    """Normal within two standard deviations of the mean."""

    _sampler = staticmethod(random.truncated_normal)


class RandomUniform(RandomInitializer):
    """Uniform in [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None):
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, **super().get_config()}


def compute_fans(shape: Any, input_axes: Any = None, output_axes: Any = None) -> tuple[int, int]:
    """The numbers of inputs and outputs of one unit: of the given axes, else of a kernel (*window, in, out)."""
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[d] for d in input_axes), math.prod(shape[d] for d in output_axes)
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class VarianceScaling(RandomInitializer):
    """Zero mean and variance scale / n, with n the fan-in, the fan-out or their average.

    Args:
        scale: a positive factor.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal" (its standard deviation corrected for the truncation), "untruncated_normal" or
            "uniform".
        input_axes, output_axes: the axes whose sizes are the fans, where the kernel is not (*window, in, out).

    Raises:
        ValueError: on other values.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ):
        super().__init__(seed)
        if scale <= 0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(
                f"Invalid `mode` argument: {mode}. Please use one of 'fan_in', 'fan_out', 'fan_avg'. "
                f"Received: mode={mode!r}"
            )
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                f"distribution must be 'truncated_normal', 'untruncated_normal' or 'uniform'. "
                f"Received: distribution={distribution!r}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = None if input_axes is None else list(input_axes)
        self.output_axes = None if output_axes is None else list(output_axes)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return random.uniform(shape, -limit, limit, dtype, self.seed)
        if self.distribution == "truncated_normal":
            # 0.8796… is the standard deviation of a standard normal truncated at ±2.
            return random.truncated_normal(shape, 0.0, math.sqrt(variance) / 0.87962566103423978, dtype, self.seed)
        return random.normal(shape, 0.0, math.sqrt(variance), dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            **self._axes_and_seed(),
        }

    def _axes_and_seed(self) -> dict[str, Any]:
        return super().get_config() | {"input_axes": self.input_axes, "output_axes": self.output_axes}


class _Named(VarianceScaling):
    """A variance scaling whose scale, mode and distribution are fixed."""

    _arguments: tuple[float, str, str]

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None):
        super().__init__(*self._arguments, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def get_config(self) -> dict[str, Any]:
        return self._axes_and_seed()


class GlorotUniform(_Named):
    """Uniform with variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""

    _arguments = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """Truncated normal with variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""

    _arguments = (1.0, "fan_avg", "truncated_normal")


class HeNormal(_Named):
    """Truncated normal with variance 2 / fan_in (He et al., arXiv:1502.01852)."""

    _arguments = (2.0, "fan_in", "truncated_normal")


class HeUniform(_Named):
    """Uniform with variance 2 / fan_in (He et al., arXiv:1502.01852)."""

    _arguments = (2.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """Truncated normal with variance 1 / fan_in (LeCun et al., 1998)."""

    _arguments = (1.0, "fan_in", "truncated_normal")


class LecunUniform(_Named):
    """Uniform with variance 1 / fan_in (LeCun et al., 1998)."""

    _arguments = (1.0, "fan_in", "uniform")


GAINS = {"sigmoid": 1.0, "logistic": 1.0, "linear": 1.0, "tanh": 4.0, "relu": math.sqrt(2.0)}


class ForActivation(VarianceScaling):
    """The textbook table for layers with a given activation: standard deviation gain · √(2 / (fan_in + fan_out)).

    Args:
        activation: "sigmoid" (or "logistic", "linear") with gain 1, "tanh" with 4, or "relu" with √2.
        distribution: "uniform" or "normal".

    Raises:
        ValueError: on other values.
    """

    def __init__(self, activation: str = "relu", distribution: str = "uniform", seed: Any = None):
        if activation not in GAINS:
            raise ValueError(f"activation must be one of {sorted(GAINS)}. Received: activation={activation!r}")
        if distribution not in ("uniform", "normal"):
            raise ValueError(f"distribution must be 'uniform' or 'normal'. Received: distribution={distribution!r}")
        shape = "uniform" if distribution == "uniform" else "untruncated_normal"
        super().__init__(GAINS[activation] ** 2, "fan_avg", shape, seed)
        self.activation = activation

    def get_config(self) -> dict[str, Any]:
        distribution = "uniform" if self.distribution == "uniform" else "normal"
        return {"activation": self.activation, "distribution": distribution, **RandomInitializer.get_config(self)}


class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal rows or columns times `gain` (Saxe et al., arXiv:1312.6120).

    Kernels of more than two axes are treated as (everything else, out).

    Raises:
        ValueError: if the shape has fewer than two axes.
    """

    def __init__(self, gain: float = 1.0, seed: Any = None):
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal initializer needs at least two dimensions. Received: shape={shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        normal = random.normal((max(rows, columns), min(rows, columns)), dtype="float64", seed=self.seed).numpy()
        q, r = np.linalg.qr(normal)
        q = q * np.sign(np.diag(r))  # makes the distribution uniform over orthogonal matrices
        q = q.T if rows < columns else q
        return ops.cast(ops.convert_to_tensor(np.ascontiguousarray(q.reshape(shape)) * self.gain), dtype)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}
