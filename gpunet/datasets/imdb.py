"""IMDB: 50,000 reviews of films as lists of words, which like the film or do not."""

from __future__ import annotations

import json
import os

import numpy as np

from gpunet.datasets.files import locate, read_npz, shuffled
from gpunet.datasets.split import Split
from gpunet.datasets.words import as_array, limited, marked, short

_SHA256 = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
_INDEX_MD5 = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: str | os.PathLike | None = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> Split:
    """Return `(x_train, y_train), (x_test, y_test)` of IMDB: 25,000 reviews each, with labels 0 and 1.

    A review is a list of integers, the ranks of its words by frequency plus `index_from`; 0 stands for no word.

    Source: A. L. Maas et al., "Learning word vectors for sentiment analysis" (2011).

    Args:
        path: the file `imdb.npz` or a folder with it; its name alone for `GPUNET_DATA`, the cache or a download.
        num_words, skip_top: the ranks to keep, others become `oov_char`, or are left out where that is None.
        maxlen: leave out reviews that are not shorter.
        seed: of the order.
        start_char: the number in front of each review, or None.

    Raises:
        FileNotFoundError: if there is no such file, with all the places that were tried.
        ValueError: if the file is damaged, or no review is short enough.
    """
    arrays = read_npz(locate("imdb", "imdb.npz", _SHA256, path))
    random = np.random.RandomState(seed)
    texts: list[list[int]] = []
    labels = []
    for part in ("train", "test"):
        order = shuffled(len(arrays[f"x_{part}"]), random)
        found = marked(arrays[f"x_{part}"][order], start_char, index_from)
        found, kept = short(maxlen, found, arrays[f"y_{part}"][order])
        texts += found
        labels.append(kept)
    cut = len(labels[0])
    texts = limited(texts, num_words, skip_top, oov_char)
    return (as_array(texts[:cut]), labels[0]), (as_array(texts[cut:]), labels[1])


def get_word_index(path: str | os.PathLike | None = "imdb_word_index.json") -> dict[str, int]:
    """The rank of each word by frequency, from 1.

    Raises:
        FileNotFoundError: if there is no such file, with all the places that were tried.
    """
    file = locate("imdb", "imdb_word_index.json", _INDEX_MD5, path)
    return json.loads(file.read_text(encoding="utf-8"))
