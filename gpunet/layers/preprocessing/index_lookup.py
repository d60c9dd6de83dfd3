"""A vocabulary, given or learned: tokens as its indices, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.autograd.tensor import Tensor, raw
from gpunet.backend.devices import to_host
from gpunet.config import floatx
from gpunet.layers.preprocessing.hashes import as_salt, hash_bins
from gpunet.layers.preprocessing.host import HostLayer, encoded_on_host, host_array
from gpunet.ops.image.layout import check_choice
from gpunet.serialization import in_safe_mode

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
_OLD_NAMES = {"binary": "multi_hot", "tf-idf": "tf_idf"}
_NOWHERE = np.iinfo("int64").max


def output_mode_named(name: str) -> str:
    """The mode of a name, which may be an old one.

    Raises:
        ValueError: if there is no such mode.
    """
    name = _OLD_NAMES.get(name, name)
    check_choice(name, MODES, "output_mode")
    return name


class IndexLookup(HostLayer):
    """What `StringLookup` and `IntegerLookup` share: a vocabulary, given or learned by `adapt`.

    Indices begin with that of the mask token, if there is one and `output_mode` is "int", and those of unknown tokens.

    Args:
        max_tokens: the most that a vocabulary has, special tokens included.
        num_oov_indices: how many indices unknown tokens share; with 0 they are an error.
        mask_token: what index 0 stands for, or None.
        oov_token: what unknown indices are, with `invert`.
        vocabulary: a list or array of tokens, or a file with one per line.
        idf_weights: a weight for each of them, for "tf_idf".
        invert: indices → tokens.
        output_mode: "int", or vectors: "one_hot" of each token, "multi_hot", "count" or "tf_idf" of each sample.
        pad_to_max_tokens: vectors of `max_tokens` even where the vocabulary has less.
        sparse: must be False.
        oov_method: "floormod" or "farmhash", how integers are spread over several indices of unknown ones.
        salt: one or two integers for another hash.

    Raises:
        ValueError: on arguments that do not fit each other, repeated or misplaced tokens.
    """

    vocabulary_dtype: str
    _read: Callable[[str], Any]

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        sparse: bool,
        pad_to_max_tokens: bool,
        oov_method: str,
        salt: Any,
        **kwargs: Any,
    ):
        vocabulary_size = kwargs.pop("vocabulary_size", None)
        has_input = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        super().__init__(**kwargs)
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(f"If set, `max_tokens` must be greater than 1. Received: max_tokens={max_tokens}")
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError("If pad_to_max_tokens is True, must set `max_tokens`. Received: max_tokens=None")
        if num_oov_indices < 0:
            raise ValueError(
                f"`num_oov_indices` must be greater than or equal to 0. Received: num_oov_indices={num_oov_indices}"
            )
        check_choice(oov_method, ("floormod", "farmhash"), "oov_method")
        check_choice(sparse, (False,), "sparse")
        output_mode = output_mode_named(output_mode)
        if salt is not None and self.vocabulary_dtype != "string" and oov_method != "farmhash":
            raise ValueError(f"`salt` can only be used when `oov_method='farmhash'`. Received: oov_method={oov_method}")
        if invert and output_mode != "int":
            raise ValueError(
                f"`output_mode` must be `'int'` when `invert` is true. Received: output_mode={output_mode}"
            )
        if idf_weights is not None and output_mode != "tf_idf":
            raise ValueError(
                f"`idf_weights` should only be set if `output_mode` is `'tf_idf'`. Received: output_mode={output_mode}"
            )
        self.max_tokens = max_tokens
        self.num_oov_indices = num_oov_indices
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.invert = invert
        self.output_mode = output_mode
        self.sparse = sparse
        self.pad_to_max_tokens = pad_to_max_tokens
        self.oov_method = oov_method
        self.salt = as_salt(salt, type(self).__name__)
        self.input_vocabulary = None if isinstance(vocabulary, str | Path) else _listed(vocabulary)
        self.input_idf_weights = _listed(idf_weights)
        self.result_dtype = floatx() if output_mode == "tf_idf" else "int64"
        self._has_input_vocabulary = has_input
        self._frozen_vocab_size = vocabulary_size
        self._tokens: list[Any] = []
        self._index: dict[Any, int] = {}
        self._idf: np.ndarray | None = None
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    # The vocabulary.

    @property
    def _oov_start(self) -> int:
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    @property
    def _token_start(self) -> int:
        return self._oov_start + self.num_oov_indices

    @property
    def _depth(self) -> int | None:
        """The length of vectors; None while the vocabulary is not known."""
        return self.max_tokens if self.pad_to_max_tokens else self._frozen_vocab_size

    def vocabulary_size(self) -> int:
        """The number of indices, those of the mask and of unknown tokens included."""
        return self._token_start + len(self._tokens)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their indices, with those for the mask and unknown ones or without."""
        special = [self.mask_token] * self._oov_start + [self.oov_token] * self.num_oov_indices
        return [*(special if include_special_tokens else []), *self._tokens]

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Take these tokens, which may begin with the special ones: a list, an array, or a file with one per line.

        Raises:
            ValueError: if tokens are repeated, misplaced or too many, or weights are missing.
        """
        if (self.output_mode == "tf_idf") != (idf_weights is not None):
            raise ValueError(
                f"`idf_weights` must be set if output_mode is 'tf_idf', and only then. "
                f"Received: output_mode={self.output_mode}, idf_weights={idf_weights}"
            )
        if isinstance(vocabulary, str | Path):
            vocabulary = self._read_file(Path(vocabulary))
        given = self._plain(vocabulary)
        if not given:
            raise ValueError(f"Cannot set an empty vocabulary. Received: vocabulary={vocabulary}")
        start = self._token_start
        special = self.get_vocabulary()[:start]
        tokens = given[start:] if given[:start] == special else given
        self._check_tokens(tokens, special)
        self._take(tokens)
        if idf_weights is not None:
            weights = host_array(idf_weights)
            if len(weights) != len(given):
                raise ValueError(
                    f"`idf_weights` must be the same length as vocabulary. "
                    f"Received: {len(weights)} weights, {len(given)} tokens"
                )
            self._set_idf(weights[len(given) - len(tokens) :], front=None if len(tokens) == len(given) else weights)

    def _read_file(self, path: Path) -> list[Any]:
        if not path.exists():
            raise ValueError(f"Vocabulary file {path} does not exist.")
        lines = path.read_text(encoding="utf-8").splitlines()
        while lines and lines[-1] == "":
            lines.pop()
        return [type(self)._read(line) for line in lines]

    def _check_tokens(self, tokens: list[Any], special: list[Any]) -> None:
        repeated = [token for token, count in Counter(tokens).items() if count > 1]
        if repeated:
            raise ValueError(
                f"The passed vocabulary has at least one repeated term. Please uniquify your dataset. The repeated "
                f"terms are: {repeated}"
            )
        for name, token in (("mask", self.mask_token), ("OOV", self.oov_token if self.invert else None)):
            if token is not None and token in tokens:
                raise ValueError(
                    f"Found reserved {name} token at unexpected location in `vocabulary`. Note that passed "
                    f"`vocabulary` does not need to include the OOV and mask tokens. Either remove all mask and OOV "
                    f"tokens, or include them only at the start of the vocabulary in precisely this order: {special}. "
                    f"Received: {name.lower()}_token={token} at vocabulary index {tokens.index(token)}"
                )
        if self.max_tokens is not None and self._token_start + len(tokens) > self.max_tokens:
            raise ValueError(
                f"Attempted to set a vocabulary larger than the maximum vocab size. Received vocabulary size is "
                f"{self._token_start + len(tokens)}; `max_tokens` is {self.max_tokens}."
            )

    def _take(self, tokens: list[Any]) -> None:
        size = self._token_start + len(tokens)
        fixed = self.output_mode != "int" and not self.pad_to_max_tokens
        if fixed and self._frozen_vocab_size not in (None, size):
            raise RuntimeError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, the vocabulary size "
                f"cannot be changed after the layer is called. Old vocab size is {self._frozen_vocab_size}, new vocab "
                f"size is {size}"
            )
        self._tokens = tokens
        self._index = {token: i for i, token in enumerate(tokens, self._token_start)}
        self._frozen_vocab_size = size

    def _set_idf(self, weights: np.ndarray, front: np.ndarray | None) -> None:
        """Weights of the tokens; those in front are the mean, which unknown tokens get, unless they are given too."""
        start = self._token_start
        first = np.full(start, weights.mean()) if front is None else front[:start]
        back = self.max_tokens - start - len(weights) if self.pad_to_max_tokens and self.max_tokens else 0
        self._idf = np.concatenate([first, weights, np.zeros(back)]).astype(floatx())

    # Learning a vocabulary.

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learn the vocabulary of data, the most frequent tokens first: an array, a list, or an iterable of batches.

        Args:
            steps: the most batches of an iterable.

        Raises:
            ValueError: if the layer was given a vocabulary.
        """
        self.reset_state()
        for batch in batches(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget what `update_state` has seen."""
        self._counts: Counter = Counter()
        self._document_counts: Counter = Counter()
        self._documents = 0

    def update_state(self, data: Any) -> None:
        """Count the tokens of a batch; a vector is one document."""
        if self._has_input_vocabulary:
            raise ValueError(
                f"Cannot adapt layer '{self.name}' after setting a static vocabulary via `vocabulary` argument or "
                f"`set_vocabulary()` method."
            )
        for row in self._rows(data):
            self._counts.update(row)
            self._document_counts.update(set(row))
            self._documents += 1

    def _rows(self, data: Any) -> list[list[Any]]:
        """The tokens of each document."""
        if isinstance(data, list | tuple) and any(isinstance(row, list | tuple | np.ndarray) for row in data):
            return [self._plain(row) for row in data]
        array = host_array(data)
        rows = array.reshape(1, -1) if array.ndim < 2 else array.reshape(len(array), -1)
        return [self._plain(row) for row in rows]

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted."""
        if self._has_input_vocabulary or not self._counts:
            return
        for special in (self.mask_token, self.oov_token):
            self._counts.pop(special, None)
        order = sorted(self._counts.items(), key=lambda item: (item[1], _sortable(item[0])), reverse=True)
        room = None if self.max_tokens is None else max(0, self.max_tokens - self._token_start)
        tokens = [token for token, _ in order[:room]]
        self._take(tokens)
        if self.output_mode == "tf_idf":
            seen = np.array([self._document_counts[token] for token in tokens])
            self._set_idf(np.log(1 + self._documents / (1 + seen)), front=None)
        self.reset_state()

    # Looking up.

    def compute(self, inputs: Any) -> np.ndarray:
        if self.output_mode != "int" and not self.pad_to_max_tokens and self._frozen_vocab_size is None:
            raise RuntimeError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, you must set the layer's "
                f"vocabulary before calling it. Either pass a `vocabulary` argument to the layer, or call `adapt` "
                f"with some sample data."
            )
        if isinstance(inputs, list):
            return self.compute_rows([self._plain(row) for row in inputs], None)
        if self.invert:
            return self._inverted(inputs)
        return self._encoded(self._looked_up(inputs))

    def compute_rows(self, rows: list[list[Any]], length: int | None) -> np.ndarray:
        """The result for rows of tokens of different lengths: indices are filled up with 0, or cut off, at `length`."""
        longest = max(map(len, rows), default=0) if length is None else length
        filler = 0 if self.output_mode == "int" else _NOWHERE
        indices = np.full((len(rows), longest), filler, "int64")
        for place, row in zip(indices, rows):
            kept = row[:longest] if self.output_mode == "int" else row
            place[: len(kept)] = self._looked_up(np.array(kept, object)) if kept else filler
        return self._encoded(indices)

    def _encoded(self, indices: np.ndarray) -> np.ndarray:
        if self.output_mode != "tf_idf":
            return encoded_on_host(indices, self._depth or 0, self.output_mode, "int64")
        if self._idf is None:
            raise ValueError("When `output_mode` is `'tf_idf'`, `idf_weights` must be provided.")
        return encoded_on_host(indices, len(self._idf), "count", self._idf.dtype) * self._idf

    def _looked_up(self, tokens: np.ndarray) -> np.ndarray:
        """The index of each token."""
        values = self._plain(tokens.reshape(-1))
        found = {token: self._index.get(token, -1) for token in set(values)}
        if self.mask_token is not None and self.mask_token in found:
            found[self.mask_token] = 0 if self.output_mode == "int" else _NOWHERE
        unknown = [token for token, index in found.items() if index == -1]
        if unknown and not self.num_oov_indices:
            raise ValueError(
                f"When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values {unknown}, consider "
                f"setting `num_oov_indices=1`."
            )
        if unknown:
            found |= {token: self._oov_start + place for token, place in self._spread(unknown).items()}
        return np.array([found[token] for token in values], "int64").reshape(tokens.shape)

    def _spread(self, unknown: list[Any]) -> dict[Any, int]:
        """Which of the indices of unknown tokens each of them has."""
        if self.num_oov_indices == 1:
            return dict.fromkeys(unknown, 0)
        if self.vocabulary_dtype != "string" and self.oov_method == "floormod":
            return {token: token % self.num_oov_indices for token in unknown}
        return hash_bins(unknown, self.num_oov_indices, self.salt)

    def _inverted(self, indices: np.ndarray) -> np.ndarray:
        tokens = dict(enumerate(self._tokens, self._token_start))
        if self.mask_token is not None:
            tokens[0] = self.mask_token
        found = [tokens.get(int(i), self.oov_token) for i in indices.reshape(-1)]
        dtype = object if self.vocabulary_dtype == "string" else "int64"
        return np.array(found, dtype).reshape(indices.shape)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        shape, depth = tuple(input_shape), self._depth
        if self.output_mode == "int":
            return shape
        if self.output_mode == "one_hot":
            return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), depth)
        return (*shape[:-1], depth) if len(shape) < 3 else (shape[0], *shape[2:], depth)

    def _plain(self, values: Any) -> list[Any]:
        """Tokens as Python's own str or int."""
        raise NotImplementedError

    # Configuration and files.

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary_dtype": self.vocabulary_dtype,
            "idf_weights": self.input_idf_weights,
            "vocabulary": self.input_vocabulary,
            "vocabulary_size": self._frozen_vocab_size,
            "oov_method": self.oov_method,
            "salt": self.salt,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer of a configuration.

        Raises:
            ValueError: if it names a file outside of the model's own, in safe mode.
        """
        refuse_vocabulary_file(config)
        return cls(**{key: value for key, value in config.items() if key not in ("trainable", "dtype")})

    def save_own_variables(self, store: Any) -> None:
        if self._idf is not None:
            store["idf_weights"] = self._idf

    def load_own_variables(self, store: Any) -> None:
        if self.output_mode == "tf_idf":
            self._idf = np.array(store["idf_weights"], floatx())

    def save_assets(self, dir_path: Any) -> None:
        """Write the vocabulary to a file in a folder, unless the configuration has it."""
        if self.input_vocabulary is None:
            text = "\n".join(map(str, self.get_vocabulary()))
            Path(dir_path, "vocabulary.txt").write_text(text, encoding="utf-8")

    def load_assets(self, dir_path: Any) -> None:
        """Read what `save_assets` wrote."""
        if self.input_vocabulary is None:
            tokens = self._read_file(Path(dir_path, "vocabulary.txt"))
            self.set_vocabulary(tokens, None if self._idf is None else self._idf[: len(tokens)])


def refuse_vocabulary_file(config: dict[str, Any]) -> None:
    """Raise ValueError if, in safe mode, a configuration names a file with a vocabulary."""
    if isinstance(config.get("vocabulary"), str) and in_safe_mode():
        raise ValueError(
            f"Requested the loading of a vocabulary file outside of the model archive. This carries a potential risk "
            f"of loading arbitrary and sensitive files and thus it is disallowed by default. If you trust the source "
            f"of the artifact, pass `safe_mode=False` to the loading function. "
            f"Vocabulary file: {config['vocabulary']!r}"
        )


def batches(data: Any, steps: int | None) -> Iterable[Any]:
    """Data as it is given to `adapt`: an array or list at once, each item of its vector a document of its own."""
    if isinstance(data, list | tuple | np.ndarray | Tensor):
        array = data if isinstance(data, list | tuple) else to_host(raw(data))
        ragged = isinstance(array, list | tuple) and any(isinstance(row, list | tuple | np.ndarray) for row in array)
        yield array if ragged or np.ndim(array) != 1 else np.asarray(array)[:, None]
        return
    for i, batch in enumerate(data):
        if steps is not None and i >= steps:
            return
        yield batch


def _listed(values: Any) -> list[Any] | None:
    if values is None or isinstance(values, list):
        return values
    return host_array(values).tolist()


def _sortable(token: Any) -> Any:
    return token.encode() if isinstance(token, str) else token
