"""Texts as sequences of words' indices, or as vectors of counts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from gpunet.layers.preprocessing.host import HostLayer, as_texts
from gpunet.layers.preprocessing.index_lookup import batches, output_mode_named, refuse_vocabulary_file
from gpunet.layers.preprocessing.lookup import StringLookup
from gpunet.ops.image.layout import check_choice
from gpunet.serialization import deserialize, serialize

_PUNCTUATION = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""")
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}  # of ASCII, as in Keras
_SPACE = re.compile(r"[ \t\n\v\f\r]+")


class TextVectorization(HostLayer):
    """Texts as indices of their words, (batch, words), filled up with 0, or as vectors of the vocabulary's size.

    Index 0 is for no word and 1 for unknown ones, the vocabulary comes from `adapt`, or is given.

    Args:
        max_tokens, output_mode, pad_to_max_tokens, vocabulary, idf_weights, sparse, encoding: as for `StringLookup`.
        standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation", None, or a function of an array of
            str.
        split: "whitespace", "character", None for texts that are words already, or a function that makes of an array of
            str a list of their words each.
        ngrams: n for all sequences of up to n words too, or a tuple of such n.
        output_sequence_length: the number of words for the mode "int", rather than that of the longest text.
        ragged: must be False.

    Raises:
        ValueError: on arguments that do not fit each other.

    Example:
        >>> layer = TextVectorization(output_sequence_length=4)
        >>> layer.adapt(["the cat sat.", "the mat"])
        >>> layer(["The dog sat"])  # [[2, 1, 3, 0]]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ):
        lookup = {key: kwargs.pop(key) for key in ("vocabulary_size", "has_input_vocabulary") if key in kwargs}
        super().__init__(name=name, **kwargs)
        known = (None, "lower_and_strip_punctuation", "lower", "strip_punctuation")
        for label, value, choices in (("standardize", standardize, known), ("split", split, (None, *_SPLITS))):
            if not callable(value):
                check_choice(value, choices, label)
        check_choice(ragged, (False,), "ragged")
        output_mode = output_mode_named(output_mode)
        several = isinstance(ngrams, tuple) and all(isinstance(n, int) for n in ngrams)
        if not (ngrams is None or isinstance(ngrams, int) or several):
            raise ValueError(f"`ngrams` must be None, an integer, or a tuple of integers. Received: ngrams={ngrams}")
        if output_sequence_length is not None and (output_mode != "int" or not isinstance(output_sequence_length, int)):
            raise ValueError(
                f"`output_sequence_length` must be an integer, and needs `output_mode='int'`. "
                f"Received: output_sequence_length={output_sequence_length}, output_mode={output_mode}"
            )
        self._standardize = standardize
        self._split = split
        self._ngrams = ngrams
        self._output_mode = output_mode
        self._output_sequence_length = output_sequence_length
        self._ragged = ragged
        self._encoding = encoding
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            pad_to_max_tokens=pad_to_max_tokens,
            mask_token="",
            output_mode=output_mode,
            sparse=sparse,
            encoding=encoding,
            **lookup,
        )
        self.result_dtype = self._lookup_layer.result_dtype

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Learn the vocabulary of texts, the most frequent words first: a list, an array, or an iterable of batches.

        Args:
            batch_size: of no effect, as in Keras.
            steps: the most batches of an iterable.
        """
        self.reset_state()
        for batch in batches(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Count the words of a batch of texts."""
        self._lookup_layer.update_state(self._words(np.asarray(data)))

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Forget what `update_state` has seen."""
        self._lookup_layer.reset_state()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words in the order of their indices."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """The number of indices."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Take these words, as `StringLookup` does."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def compute(self, inputs: Any) -> np.ndarray:
        texts = np.asarray(inputs)
        rows = self._words(texts)
        found = self._lookup_layer.compute_rows(rows, self._output_sequence_length)
        if texts.ndim == 0:
            return found[0]
        return found[:, 0] if self._split is None and texts.ndim == 1 and self._output_mode == "int" else found

    def _words(self, texts: np.ndarray) -> list[list[str]]:
        """The words of each text."""
        texts = as_texts(texts, self._encoding)
        texts = self._standardized(texts[None] if texts.ndim == 0 else texts)
        if self._split is None:
            rows = [list(row) for row in (texts[:, None] if texts.ndim == 1 else texts)]
        else:
            rows = self._parted(texts)
        if self._ngrams is None:
            return rows
        widths = range(1, self._ngrams + 1) if isinstance(self._ngrams, int) else self._ngrams
        return [[" ".join(row[i : i + n]) for n in widths for i in range(len(row) - n + 1)] for row in rows]

    def _standardized(self, texts: np.ndarray) -> np.ndarray:
        if callable(self._standardize):
            return as_texts(np.asarray(self._standardize(texts.astype(str))), self._encoding)
        name = self._standardize or ""
        if "lower" in name:
            texts = _each(texts, lambda text: text.translate(_LOWER))
        return _each(texts, lambda text: _PUNCTUATION.sub("", text)) if "strip" in name else texts

    def _parted(self, texts: np.ndarray) -> list[list[str]]:
        if texts.ndim > 1:
            if texts.shape[-1] != 1:
                raise ValueError(
                    f"When using `TextVectorization` to tokenize strings, the input rank must be 1 or the last shape "
                    f"dimension must be 1. Received: inputs.shape={texts.shape} with rank={texts.ndim}"
                )
            texts = texts[..., 0]
        if callable(self._split):
            return [[str(word) for word in row] for row in self._split(texts.astype(str))]
        return [_SPLITS[self._split](text) for text in texts]

    def compute_output_shape(self, input_shape: Any) -> tuple:
        if self._output_mode == "int":
            return (input_shape[0], self._output_sequence_length)
        return (input_shape[0], self._lookup_layer.compute_output_shape((None, None))[-1])

    def get_config(self) -> dict[str, Any]:
        lookup = self._lookup_layer
        return super().get_config() | {
            "max_tokens": lookup.max_tokens,
            "standardize": serialize(self._standardize),
            "split": serialize(self._split),
            "ngrams": self._ngrams,
            "output_mode": self._output_mode,
            "output_sequence_length": self._output_sequence_length,
            "pad_to_max_tokens": lookup.pad_to_max_tokens,
            "sparse": lookup.sparse,
            "ragged": self._ragged,
            "vocabulary": lookup.input_vocabulary,
            "idf_weights": lookup.input_idf_weights,
            "encoding": self._encoding,
            "vocabulary_size": self.vocabulary_size(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer of a configuration; functions in it must be registered.

        Raises:
            ValueError: if it names a file outside of the model's own, in safe mode.
        """
        refuse_vocabulary_file(config)
        config = config | {key: deserialize(config[key]) for key in ("standardize", "split") if key in config}
        if isinstance(config.get("ngrams"), list):
            config["ngrams"] = tuple(config["ngrams"])
        return cls(**config)

    def save_own_variables(self, store: Any) -> None:
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        self._lookup_layer.load_own_variables(store)

    def save_assets(self, dir_path: Any) -> None:
        """Write the vocabulary to a file in a folder, unless the configuration has it."""
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: Any) -> None:
        """Read what `save_assets` wrote."""
        self._lookup_layer.load_assets(dir_path)


def _whole_words(text: str) -> list[str]:
    return [word for word in _SPACE.split(text) if word]


_SPLITS: dict[str, Any] = {"whitespace": _whole_words, "character": list}


def _each(texts: np.ndarray, function: Any) -> np.ndarray:
    """The function of each text."""
    found = np.empty(texts.shape, object)
    for place, text in np.ndenumerate(texts):
        found[place] = function(text)
    return found
