"""Texts and integers as the indices of a vocabulary, and back."""

from __future__ import annotations

from typing import Any

from gpunet.layers.preprocessing.host import as_texts, host_array, is_text
from gpunet.layers.preprocessing.index_lookup import IndexLookup


class StringLookup(IndexLookup):
    """Texts as indices of a vocabulary, or back with `invert`; see `IndexLookup`.

    Args:
        encoding: of texts that are bytes.

    Example:
        >>> layer = StringLookup(vocabulary=["a", "b"])
        >>> layer([["a", "c"], ["b", "a"]])  # [[1, 0], [2, 1]]
    """

    vocabulary_dtype = "string"
    _read = str

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str | None = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ):
        self.encoding = encoding
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            sparse,
            pad_to_max_tokens,
            kwargs.pop("oov_method", "floormod"),
            salt,
            name=name,
            **kwargs,
        )

    def _plain(self, values: Any) -> list[Any]:
        array = host_array(values)
        if array.size and not is_text(array):
            raise TypeError(f"{type(self).__name__} expected texts. Received: an array of {array.dtype}")
        return as_texts(array, self.encoding).reshape(-1).tolist()

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {"encoding": self.encoding}
        del config["vocabulary_dtype"]
        return config


class IntegerLookup(IndexLookup):
    """Integers as indices of a vocabulary, or back with `invert`; see `IndexLookup`.

    Args:
        vocabulary_dtype: "int64".

    Example:
        >>> layer = IntegerLookup(vocabulary=[12, 36])
        >>> layer([[12, 5], [36, 12]])  # [[1, 0], [2, 1]]
    """

    vocabulary_dtype = "int64"
    _read = int

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int | None = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        if vocabulary_dtype != "int64":
            raise ValueError(
                f"Only `vocabulary_dtype='int64'` is supported at this time. "
                f"Received: vocabulary_dtype={vocabulary_dtype}"
            )
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            sparse,
            pad_to_max_tokens,
            oov_method,
            salt,
            name=name,
            **kwargs,
        )

    def _plain(self, values: Any) -> list[Any]:
        array = host_array(values)
        if array.size and array.dtype.kind not in "iubfO":
            raise TypeError(f"{type(self).__name__} expected integers. Received: an array of {array.dtype}")
        return [int(value) for value in array.reshape(-1)]
