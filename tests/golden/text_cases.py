"""Layers of texts and categories, written once for Keras (on TensorFlow, which these need there) and gpunet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

WORDS = [["b", "a", "c"], ["a", "d", "a"], ["zz", "b", ""]]
TEXTS = ["The cat sat on the mat.", "A DOG -- the dog!\tÉté", "", "cat's  mat, the end"]
NUMBERS = [[5, 7, -3], [7, 7, 100], [0, 5, 12]]
LONG = ["", "a", "abcd", "abcdefgh", "x" * 17, "y" * 40, "z" * 64, "word " * 30, "Grüße"]


def cases(keras: Any) -> Iterator[tuple[str, Any]]:
    """(name, result) pairs, with results as arrays or lists of tokens."""
    for part in (_strings, _integers, _texts, _hashes):
        for name, result in part(keras.layers):
            yield f"{part.__name__[1:]} {name}", result


def _strings(layers: Any) -> Iterator[tuple[str, Any]]:
    words = np.array(WORDS)
    for options in (
        {},
        {"mask_token": ""},
        {"num_oov_indices": 3},
        {"num_oov_indices": 4, "salt": 7},
        {"num_oov_indices": 2, "mask_token": "d"},
        {"output_mode": "multi_hot"},
        {"output_mode": "count", "mask_token": "", "num_oov_indices": 0, "vocabulary": ["zz", "d", "c", "b", "a"]},
        {"output_mode": "multi_hot", "pad_to_max_tokens": True, "max_tokens": 6},
        {"output_mode": "tf_idf", "idf_weights": [0.25, 0.75, 0.6]},
    ):
        yield str(options), layers.StringLookup(**({"vocabulary": ["a", "b", "c"]} | options))(words)
    yield "one_hot", layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(np.array(["a", "q", "b"]))
    yield "special", layers.StringLookup(vocabulary=["", "[UNK]", "x", "y"], mask_token="").get_vocabulary()
    inverse = layers.StringLookup(vocabulary=["a", "b"], invert=True, mask_token="-")
    yield "vocabulary of the inverse", inverse.get_vocabulary()
    for options in ({}, {"max_tokens": 4}, {"mask_token": "", "oov_token": "a"}, {"output_mode": "tf_idf"}):
        layer = layers.StringLookup(**options)
        layer.adapt(words)
        yield f"adapted {options}", layer.get_vocabulary()
        yield f"adapted {options} without special tokens", layer.get_vocabulary(include_special_tokens=False)
        yield f"adapted {options}, looked up", layer(words)
    layer = layers.StringLookup(output_mode="tf_idf", max_tokens=8, pad_to_max_tokens=True)
    layer.adapt(words)
    yield "padded tf_idf", layer(words[:2])


def _integers(layers: Any) -> Iterator[tuple[str, Any]]:
    numbers = np.array(NUMBERS)
    for options in (
        {},
        {"mask_token": 0},
        {"num_oov_indices": 3},
        {"num_oov_indices": 3, "oov_method": "farmhash"},
        {"num_oov_indices": 3, "oov_method": "farmhash", "salt": [3, 9]},
        {"output_mode": "multi_hot"},
        {"output_mode": "count", "mask_token": 5},
    ):
        yield str(options), layers.IntegerLookup(**({"vocabulary": [7, 12]} | options))(numbers)
    yield "inverse", layers.IntegerLookup(vocabulary=[7, 12], invert=True)(np.array([[1, 2, 0]]))
    layer = layers.IntegerLookup(max_tokens=4)
    layer.adapt(numbers)
    yield "adapted", layer.get_vocabulary()
    yield "adapted, looked up", layer(numbers)


def _texts(layers: Any) -> Iterator[tuple[str, Any]]:
    texts = np.array(TEXTS)
    for options in (
        {},
        {"output_sequence_length": 4},
        {"max_tokens": 5, "standardize": "lower"},
        {"standardize": "strip_punctuation", "output_sequence_length": 9},
        {"standardize": None, "split": "character"},
        {"ngrams": 2},
        {"ngrams": (1, 3), "output_mode": "multi_hot"},
        {"output_mode": "count"},
        {"output_mode": "tf_idf"},
        {"output_mode": "multi_hot", "max_tokens": 20, "pad_to_max_tokens": True},
        {"split": None, "standardize": "lower"},
    ):
        layer = layers.TextVectorization(**options)
        layer.adapt(texts)
        yield f"{options} vocabulary", layer.get_vocabulary()
        yield str(options), layer(texts)
        yield f"{options} of a column", layer(texts[:2, None])
    yield "given", layers.TextVectorization(vocabulary=["the", "cat"], output_sequence_length=3)(["the dog", "cat"])
    yield "one text", layers.TextVectorization(vocabulary=["the", "cat"])("the cat the")


def _hashes(layers: Any) -> Iterator[tuple[str, Any]]:
    for options in (
        {},
        {"salt": 133},
        {"salt": [4, 5], "mask_value": ""},
        {"mask_value": "a"},
        {"output_mode": "multi_hot"},
        {"output_mode": "count"},
    ):
        yield str(options), layers.Hashing(7, **options)(np.array([LONG]))
    yield "one_hot", layers.Hashing(4, output_mode="one_hot")(np.array([["a"], ["b"]]))
    yield "integers", layers.Hashing(11)(np.array(NUMBERS))
    yield "floats", layers.Hashing(11)(np.array(NUMBERS) + 0.5)
    first, second = np.array([["a"], ["bb"], ["a"]]), np.array([[1], [-2], [3]])
    yield "crossed", layers.HashedCrossing(9)((first, second))
    yield "crossed integers", layers.HashedCrossing(1000)((second, second + 1, second))
    yield "crossed vectors", layers.HashedCrossing(5, output_mode="one_hot")((first[:, 0], second[:, 0]))


def plain(result: Any) -> Any:
    """A result as JSON holds it, with its dtype."""
    if isinstance(result, list):
        return [x.item() if isinstance(x, np.generic) else x for x in result]
    array = np.asarray(result.numpy() if hasattr(result, "numpy") else result)
    return {"dtype": array.dtype.name, "values": array.tolist()}
