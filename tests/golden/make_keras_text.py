"""Write keras_text.json, what Keras's layers of texts and categories give, and keras_text.keras, a model with one.

Run by hand where Keras and TensorFlow are installed: KERAS_BACKEND=tensorflow python -m tests.golden.make_keras_text,
from the root of the repository.
"""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np

from .text_cases import NUMBERS, cases, plain

HERE = Path(__file__).parent


def main() -> None:
    found = {name: plain(result) for name, result in cases(keras)}
    found["model"] = plain(write_model())
    text = json.dumps(found, indent=0, ensure_ascii=False)
    HERE.joinpath("keras_text.json").write_text(text + "\n", encoding="utf-8")


def write_model() -> np.ndarray:
    """A model that looks integers up; its outputs."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,), dtype="int64")
    lookup = keras.layers.IntegerLookup(num_oov_indices=2)
    lookup.adapt(np.array(NUMBERS))
    x = keras.layers.Embedding(8, 2)(lookup(inputs))
    model = keras.Model(inputs, keras.layers.Flatten()(x))
    model.save(HERE / "keras_text.keras")
    return model(np.array(NUMBERS))


if __name__ == "__main__":
    main()
