"""Write keras_layer_rows.npz: what Keras computes for every row.

Run by hand where Keras and JAX are installed: KERAS_BACKEND=jax python -m tests.golden.make_keras_layer_rows, from the
root of the repository.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from .keras_layer_rows import named_rows, values
from .store import save

PATH = Path(__file__).with_name("keras_layer_rows.npz")


def main() -> None:
    contents: dict[str, np.ndarray] = {}
    for name, row in named_rows().items():
        contents |= values(name, row, keras)
    save(PATH, contents, keras=keras.__version__, backend=keras.backend.backend())


if __name__ == "__main__":
    main()
