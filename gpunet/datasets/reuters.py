"""Reuters: 11,228 newswires as lists of words, of 46 topics."""

from __future__ import annotations

import json
import os

import numpy as np

from gpunet.datasets.files import locate, read_npz, shuffled
from gpunet.datasets.split import Split
from gpunet.datasets.words import as_array, limited, marked, short

_SHA256 = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
_INDEX_MD5 = "4d44cc38712099c9e383dc6e5f11a921"
_TOPICS = """
    cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass crude
    nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi iron-steel
    rubber heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead
"""


def load_data(
    path: str | os.PathLike | None = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> Split:
    """Return `(x_train, y_train), (x_test, y_test)` of Reuters-21578: newswires with topics from 0 to 45.

    Args:
        path: the file `reuters.npz` or a folder with it; its name alone for `GPUNET_DATA`, the cache or a download.
        test_split: the share for tests.
        others: as for `imdb.load_data`.

    Raises:
        FileNotFoundError: if there is no such file, with all the places that were tried.
        ValueError: if the file is damaged, or no newswire is short enough.
    """
    arrays = read_npz(locate("reuters", "reuters.npz", _SHA256, path))
    order = shuffled(len(arrays["x"]), np.random.RandomState(seed))
    texts, labels = short(maxlen, marked(arrays["x"][order], start_char, index_from), arrays["y"][order])
    found = as_array(limited(texts, num_words, skip_top, oov_char))
    cut = int(len(found) * (1 - test_split))
    return (found[:cut], labels[:cut]), (found[cut:], labels[cut:])


def get_word_index(path: str | os.PathLike | None = "reuters_word_index.json") -> dict[str, int]:
    """The rank of each word by frequency, from 1.

    Raises:
        FileNotFoundError: if there is no such file, with all the places that were tried.
    """
    file = locate("reuters", "reuters_word_index.json", _INDEX_MD5, path)
    return json.loads(file.read_text(encoding="utf-8"))


def get_label_names() -> tuple[str, ...]:
    """The names of the 46 topics."""
    return tuple(_TOPICS.split())
