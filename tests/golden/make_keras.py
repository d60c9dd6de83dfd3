"""Write keras.npz: the results of every case by Keras.

Run by hand where Keras and JAX are installed (on PyTorch some results differ): KERAS_BACKEND=jax python -m
tests.golden.make_keras, from the root of the repository.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from .keras_cases import CASES, Case
from .keras_dtypes import promotion, results
from .store import save

PATH = Path(__file__).with_name("keras.npz")


def values(case: Case, arguments: list) -> list[np.ndarray]:
    """Keras's results on NumPy arguments."""
    tensors = [keras.ops.convert_to_tensor(x) if isinstance(x, np.ndarray) else x for x in arguments]
    return [keras.ops.convert_to_numpy(y) for y in case.run(keras.ops, tensors)]


def main() -> None:
    contents: dict[str, np.ndarray] = {}
    for case in CASES:
        arguments = case.drawn(seed=0)
        contents |= {f"{case.name}/in{i}": x for i, x in enumerate(arguments) if isinstance(x, np.ndarray)}
        contents |= {f"{case.name}/out{i}": y for i, y in enumerate(values(case, arguments))}
    contents["promotion"] = promotion(keras.backend.result_type)
    contents |= {f"dtype of {name}": places for name, places in results(keras.ops, keras.KerasTensor).items()}
    save(PATH, contents, keras=keras.__version__, backend=keras.backend.backend())


if __name__ == "__main__":
    main()
