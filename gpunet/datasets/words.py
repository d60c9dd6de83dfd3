"""Texts as lists of words' numbers, by how frequent the words are: what IMDB's and Reuters' sets share."""

from __future__ import annotations

from typing import Any

import numpy as np


def marked(texts: Any, start_char: int | None, index_from: int) -> list[list[int]]:
    """The numbers moved up by `index_from`, with `start_char` in front unless it is None."""
    front = [] if start_char is None else [start_char]
    moved = index_from if start_char is not None or index_from else 0
    return [[*front, *(word + moved for word in text)] for text in texts]


def short(maxlen: int | None, texts: list[list[int]], labels: Any) -> tuple[list[list[int]], Any]:
    """Those texts, with their labels, that are shorter than `maxlen`; all where it is None.

    Raises:
        ValueError: if there are none.
    """
    if not maxlen:
        return texts, labels
    kept = [i for i, text in enumerate(texts) if len(text) < maxlen]
    if not kept:
        raise ValueError(
            f"After filtering for sequences shorter than maxlen={maxlen}, no sequence was kept. Increase maxlen. "
            f"Received: maxlen={maxlen}"
        )
    return [texts[i] for i in kept], np.asarray(labels)[kept]


def limited(texts: list[list[int]], num_words: int | None, skip_top: int, oov_char: int | None) -> list[list[int]]:
    """Texts in which words that are too rare or too frequent are `oov_char`, or are left out where that is None."""
    top = num_words or max(max(text) for text in texts)
    if oov_char is None:
        return [[word for word in text if skip_top <= word < top] for text in texts]
    return [[word if skip_top <= word < top else oov_char for word in text] for text in texts]


def as_array(texts: list[list[int]]) -> np.ndarray:
    """Lists of different lengths as an array of objects."""
    found = np.empty(len(texts), object)
    found[:] = texts
    return found
