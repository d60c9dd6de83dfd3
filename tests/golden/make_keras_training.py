"""Write keras_training.npz: what Keras computes for every case, in float64.

Run by hand where Keras and JAX are installed, from the root of the repository:
KERAS_BACKEND=jax JAX_ENABLE_X64=1 python -m tests.golden.make_keras_training.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from .keras_training_cases import CASES, Case
from .store import save

PATH = Path(__file__).with_name("keras_training.npz")


def values(case: Case, seed: int) -> dict[str, np.ndarray]:
    """What Keras computes, in float64."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        return case.values(keras, seed)
    finally:
        keras.config.set_floatx(before)


def main() -> None:
    contents = {name: array for case in CASES for name, array in values(case, seed=0).items()}
    save(PATH, contents, keras=keras.__version__, backend=keras.backend.backend())


if __name__ == "__main__":
    main()
