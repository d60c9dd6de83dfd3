"""Categories by hash, without a vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.config import floatx
from gpunet.layers.preprocessing.hashes import as_salt, fingerprint64, fingerprint_cat64, hash_bins
from gpunet.layers.preprocessing.host import HostLayer, as_texts, encoded_on_host, is_text
from gpunet.ops.image.layout import check_choice

_CROSS_KEY = 0xDECAFCAFFE
_SIGN = 1 << 64


class Hashing(HostLayer):
    """Texts or integers as the number of their bin, which a hash decides: FarmHash, or SipHash under a salt.

    Args:
        num_bins: the number of bins, the one of masked values included.
        mask_value: a value that has bin 0 to itself.
        salt: one or two integers.
        output_mode: "int", or vectors of `num_bins`: "one_hot", "multi_hot" or "count".
        sparse: must be False.

    Raises:
        ValueError: on another mode, dtype or salt, or fewer than one bin.
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ):
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = "int64" if output_mode == "int" else floatx()
        super().__init__(**kwargs)
        if num_bins is None or num_bins <= 0:
            raise ValueError(
                f"The `num_bins` for `Hashing` cannot be `None` or non-positive values. Received: num_bins={num_bins}."
            )
        check_choice(output_mode, ("int", "one_hot", "multi_hot", "count"), "output_mode")
        check_choice(sparse, (False,), "sparse")
        if output_mode == "int" and self.compute_dtype not in ("int32", "int64"):
            raise ValueError(
                f"When `output_mode='int'`, `dtype` should be an integer type, 'int32' or 'int64'. "
                f"Received: dtype={self.compute_dtype}"
            )
        self.num_bins = num_bins
        self.mask_value = mask_value
        self.salt = as_salt(salt, "Hashing")
        self.output_mode = output_mode
        self.sparse = sparse
        self.result_dtype = self.compute_dtype

    def compute(self, inputs: Any) -> np.ndarray:
        values = as_texts(inputs) if is_text(inputs) else inputs
        if self.output_mode == "one_hot" and values.ndim and values.shape[-1] == 1:
            values = values[..., 0]
        plain = values if values.dtype == object else values.astype("int64")
        listed = plain.reshape(-1).tolist()
        masked = self.mask_value is not None and self.num_bins > 1
        found = hash_bins(set(listed), self.num_bins - masked, self.salt)
        bins = np.array([found[value] + masked for value in listed], "int64").reshape(values.shape)
        if masked:
            bins = np.where(values == self.mask_value, 0, bins)
        return encoded_on_host(bins, self.num_bins, self.output_mode, self.result_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        shape = tuple(input_shape)
        return shape if self.output_mode == "int" else (*shape[:-1], self.num_bins)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_bins": self.num_bins,
            "salt": self.salt,
            "mask_value": self.mask_value,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
        }


class HashedCrossing(HostLayer):
    """Two or more features together as the number of one bin, by FarmHash.

    Args:
        num_bins: the number of bins.
        output_mode: "int", or "one_hot" for vectors of `num_bins`.
        sparse: must be False.

    Example:
        >>> HashedCrossing(num_bins=5)((np.array(["a", "b"]), np.array([1, 2])))
    """

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, dtype="int64" if output_mode == "int" and dtype is None else dtype, **kwargs)
        check_choice(output_mode, ("int", "one_hot"), "output_mode")
        check_choice(sparse, (False,), "sparse")
        self.num_bins = num_bins
        self.output_mode = output_mode
        self.sparse = sparse
        self.result_dtype = self.compute_dtype

    def compute(self, inputs: Any) -> np.ndarray:
        features = [np.asarray(x) for x in inputs] if isinstance(inputs, list | tuple) else []
        shapes = {x.shape for x in features}
        if len(features) < 2 or len(shapes) > 1:
            raise ValueError(
                f"`HashedCrossing` should be called on a list of at least two inputs of equal shape. "
                f"Received: inputs={inputs!r:.200}"
            )
        shape = shapes.pop()
        if len(shape) > 2 or (len(shape) == 2 and shape[-1] != 1):
            raise ValueError(
                f"All `HashedCrossing` inputs should have shape `()`, `(batch_size)` or `(batch_size, 1)`. "
                f"Received: shape={shape}"
            )
        columns = [_fingerprints(x) for x in features]
        bins = np.array([self._bin(row) for row in zip(*columns)], "int64").reshape(shape)
        return encoded_on_host(bins, self.num_bins, self.output_mode, self.result_dtype)

    def _bin(self, row: tuple[int, ...]) -> int:
        found = _CROSS_KEY
        for value in row:
            found = fingerprint_cat64(found, value)
        return found % self.num_bins

    def compute_output_shape(self, input_shape: Any) -> tuple:
        shape = tuple(input_shape[0])
        if self.output_mode == "int":
            return shape
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), self.num_bins)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_bins": self.num_bins,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
        }


def _fingerprints(x: np.ndarray) -> list[int]:
    """A 64-bit integer for each value: of texts their fingerprint, integers themselves."""
    if is_text(x):
        return [fingerprint64(text.encode()) for text in as_texts(x).reshape(-1)]
    if x.dtype.kind not in "iub":
        raise ValueError(
            f"All `HashedCrossing` inputs should have an integer or string dtype. Received: dtype={x.dtype}"
        )
    return [int(value) % _SIGN for value in x.reshape(-1)]
