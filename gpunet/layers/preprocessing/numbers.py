"""Layers that bring numbers to a scale: rescaled, normalized, put into bins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from gpunet import ops
from gpunet.config import epsilon, image_data_format
from gpunet.layers.layer import Layer
from gpunet.layers.preprocessing.categories import TakesLists, encoded
from gpunet.ops.image.layout import check_choice
from gpunet.serialization import deserialize, serialize
from gpunet.symbolic import infer_output


class Rescaling(Layer):
    """inputs·scale + offset, also of integers.

    Args:
        scale, offset: numbers, or arrays that broadcast; a scale for each channel also where the images' format is
            "channels_first".
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        x = ops.cast(inputs, self.compute_dtype)
        scale, offset = (v if isinstance(v, int | float) else np.asarray(v, x.dtype) for v in (self.scale, self.offset))
        if np.ndim(scale) and image_data_format() == "channels_first":
            scale = np.reshape(scale, np.shape(scale) + (1,) * (3 - np.ndim(scale)))
        return x * scale + offset

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"scale": serialize(self.scale), "offset": serialize(self.offset)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer of a configuration."""
        return super().from_config(config | {k: deserialize(config[k]) for k in ("scale", "offset") if k in config})


class Normalization(Layer):
    """(inputs − mean) / √variance, with mean and variance of data that `adapt` has seen, or given ones.

    Args:
        axis: the axes that have a mean and variance for each place; one for all where None.
        mean, variance: numbers or arrays; to be adapted where None.
        invert: go back instead.

    Raises:
        ValueError: if only one of mean and variance is given, or their shapes differ.

    Example:
        >>> layer = Normalization()
        >>> layer.adapt(np.array([[0.0, 7.0], [4.0, 9.0]]))
        >>> layer(np.array([[4.0, 7.0]]))  # [[1, −1]]
    """

    def __init__(self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None):
            raise ValueError(
                f"When setting values directly, both `mean` and `variance` must be set. "
                f"Received: mean={mean} and variance={variance}"
            )
        if mean is not None and np.shape(mean) != np.shape(variance):
            raise ValueError(
                f"`mean` and `variance` must have the same shape. Received: {np.shape(mean)} and {np.shape(variance)}"
            )
        self.input_mean = mean
        self.input_variance = variance
        self.invert = invert
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        ndim = len(input_shape)
        if any(not -ndim <= a < ndim for a in self.axis):
            raise ValueError(
                f"All `axis` values must be in the range [-ndim, ndim). Received inputs with ndim={ndim}, "
                f"while axis={self.axis}"
            )
        kept = sorted(a % ndim for a in self.axis)
        if any(input_shape[d] is None for d in kept):
            raise ValueError(
                f"All `axis` values to be kept must have a known shape. Received axis={self.axis}, "
                f"inputs.shape={tuple(input_shape)}"
            )
        self._kept = tuple(kept)
        self._broadcast = tuple(n if d in kept else 1 for d, n in enumerate(input_shape))
        if self.input_mean is None:
            shape = tuple(input_shape[d] for d in kept)
            self.adapt_mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
            self.adapt_variance = self.add_weight(name="variance", shape=shape, initializer="ones", trainable=False)
            # Keras's files have this number, which nothing reads.
            self.count = self.add_weight(name="count", shape=(), dtype="int32", initializer="zeros", trainable=False)

    def adapt(self, data: Any) -> None:
        """Take mean and variance of an array, or of batches of a data set or generator, which may be (x, y) pairs.

        Raises:
            ValueError: if mean and variance were given, there is no data, or shapes differ.
        """
        if self.input_mean is not None:
            raise ValueError("Cannot `adapt` a Normalization layer that was given `mean` and `variance`.")
        count, mean, spread = 0, np.float64(0), np.float64(0)
        for batch in batches_of(data):
            if not self.built:
                self.build(batch.shape)
            if any(batch.shape[d] != self._broadcast[d] for d in self._kept):
                raise ValueError(
                    f"The layer was built with input_shape={self._broadcast}, but adapt() is being called with data "
                    f"with an incompatible shape, data.shape={batch.shape}"
                )
            axes = tuple(d for d in range(batch.ndim) if d not in self._kept)
            n = int(np.prod([batch.shape[d] for d in axes])) if axes else 1
            new = batch.mean(axes, dtype=np.float64)
            change = new - mean
            total = count + n
            spread = spread + batch.var(axes, dtype=np.float64) * n + change**2 * (count * n / total)
            mean, count = mean + change * (n / total), total
        if not count:
            raise ValueError("adapt() received no data. Pass an array, or an iterable of batches.")
        self.adapt_mean.assign(np.asarray(mean, self.adapt_mean.dtype))
        self.adapt_variance.assign(np.asarray(spread / count, self.adapt_mean.dtype))

    def call(self, inputs: Any) -> Any:
        x = ops.cast(inputs, self.compute_dtype)
        mean, variance = self._statistics(x.dtype)
        deviation = ops.maximum(ops.sqrt(variance), epsilon())
        return mean + x * deviation if self.invert else (x - mean) / deviation

    @property
    def mean(self) -> Any:
        """The mean in the shape that inputs meet, as (1, features); None before the layer is built."""
        return self._statistics(self.compute_dtype)[0] if self.built else None

    @property
    def variance(self) -> Any:
        """The variance, as `mean`."""
        return self._statistics(self.compute_dtype)[1] if self.built else None

    def _statistics(self, dtype: Any) -> list[Any]:
        if self.input_mean is None:
            found = [self.adapt_mean, self.adapt_variance]
        else:
            found = [ops.convert_to_tensor(np.asarray(v)) for v in (self.input_mean, self.input_variance)]
        sizes = [n for d, n in enumerate(self._broadcast) if d in self._kept]
        return [
            ops.cast(ops.reshape(ops.broadcast_to(v, sizes) if sizes else v, self._broadcast), dtype) for v in found
        ]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "axis": self.axis,
            "invert": self.invert,
            "mean": np.asarray(self.input_mean).tolist() if self.input_mean is not None else None,
            "variance": np.asarray(self.input_variance).tolist() if self.input_variance is not None else None,
        }


class Discretization(TakesLists):
    """The number of the bin in which each input is: 0 below the first boundary, and so on.

    Args:
        bin_boundaries: in ascending order; to be adapted where None.
        num_bins: how many bins `adapt` makes, of as many numbers each.
        epsilon: the share of numbers by which bins may differ, when there are many batches.
        output_mode: "int", or as in `CategoryEncoding`.
        sparse: must be False.

    Raises:
        ValueError: unless exactly one of bin_boundaries and num_bins is given.
    """

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, dtype=dtype, **kwargs)
        check_choice(output_mode, ("int", "one_hot", "multi_hot", "count"), "output_mode")
        check_choice(sparse, (False,), "sparse")
        if num_bins is not None and num_bins < 0:
            raise ValueError(f"`num_bins` must be greater than or equal to 0. Received: `num_bins={num_bins}`")
        if num_bins is not None and bin_boundaries is not None:
            raise ValueError(
                f"Both `num_bins` and `bin_boundaries` should not be set. "
                f"Received: num_bins={num_bins} and bin_boundaries={bin_boundaries}"
            )
        if num_bins is None and bin_boundaries is None:
            raise ValueError("You need to set either `num_bins` or `bin_boundaries`. Received: None for both.")
        self.bin_boundaries = None if bin_boundaries is None else list(map(float, bin_boundaries))
        self.num_bins = num_bins
        self.epsilon = epsilon
        self.output_mode = output_mode
        self.sparse = sparse

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Choose boundaries between which there are equally many numbers of the data, an array or batches.

        Raises:
            ValueError: if the boundaries were given.
        """
        if self.num_bins is None:
            raise ValueError(
                "Cannot adapt a Discretization layer that has been initialized with `bin_boundaries`, use `num_bins` "
                "instead."
            )
        summary = np.zeros((2, 0), "float32")
        for i, batch in enumerate(batches_of(data)):
            if steps is not None and i >= steps:
                break
            merged = np.concatenate([_summary(batch.astype("float32"), self.epsilon), summary], 1)
            summary = _compressed(merged[:, np.argsort(merged[0])], self.epsilon)
        self.bin_boundaries = _compressed(summary, 1.0 / self.num_bins)[0, :-1].tolist()

    def call(self, inputs: Any) -> Any:
        if self.bin_boundaries is None:
            raise ValueError(
                "You need to either pass the `bin_boundaries` argument at construction time or call "
                "`adapt(dataset)` before you can start using the `Discretization` layer."
            )
        return self._encoded(ops.digitize(inputs, np.asarray(self.bin_boundaries, "float32")))

    def _encoded(self, places: Any) -> Any:
        depth = self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1
        assert depth is not None
        return encoded(places, depth, self.output_mode, self.output_dtype)

    def compute_output_spec(self, inputs: Any) -> Any:
        """The output as a KerasTensor, also before boundaries are adapted."""
        return infer_output(lambda x: self._encoded(ops.cast(x, "int32")), (inputs,), {})

    @property
    def output_dtype(self) -> str:
        """int32 for numbers of bins, else the compute dtype."""
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "bin_boundaries": self.bin_boundaries,
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer of a configuration, with the boundaries that it adapted."""
        adapted = config.get("bin_boundaries") if config.get("num_bins") is not None else None
        layer = super().from_config(config if adapted is None else config | {"bin_boundaries": None})
        if adapted is not None:
            layer.bin_boundaries = list(adapted)
        return layer


def _summary(values: np.ndarray, share: float) -> np.ndarray:
    """Every so many of the sorted numbers, and how many each stands for: (2, n)."""
    values = np.sort(values.ravel())
    step = max(values.size * share, 1)
    kept = values[int(step - 1) :: int(step)]
    return np.stack([kept, np.full(kept.shape, step, "float32")])


def _compressed(summary: np.ndarray, share: float) -> np.ndarray:
    """A summary of fewer numbers, each of which stands for the share."""
    if summary.shape[1] * share < 1:
        return summary
    wanted = share + np.arange(0.0, 1.0, share)
    weights = summary[1].cumsum()
    shares = weights / weights[-1]
    values, weights = np.interp(wanted, shares, summary[0]), np.interp(wanted, shares, weights)
    return np.stack([values, np.diff(weights, prepend=0)]).astype("float32")


def batches_of(data: Any) -> Iterable[np.ndarray]:
    """The data as arrays: one array as it is, batches of anything else one by one, inputs without their targets."""
    if hasattr(data, "shape"):
        yield np.asarray(ops.convert_to_numpy(data))
        return
    if not hasattr(data, "__iter__") and not hasattr(data, "__getitem__"):
        raise TypeError(f"adapt() takes an array or an iterable of batches. Received: {type(data).__name__}")
    for batch in data:
        batch = batch[0] if isinstance(batch, tuple) else batch
        yield np.asarray(ops.convert_to_numpy(batch) if hasattr(batch, "shape") else batch)
