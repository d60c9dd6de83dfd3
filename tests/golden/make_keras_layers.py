"""Write keras_layers.npz: what Keras computes in the cases of keras_layer_cases.py.

By hand, with Keras and JAX installed: `KERAS_BACKEND=jax python -m tests.golden.make_keras_layers [file]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from keras_layer_cases import results


def main(target: str) -> None:
    found = results(keras)
    np.savez_compressed(target, **found)
    print(f"{target}: {len(found)} arrays by Keras {keras.__version__} on {keras.backend.backend()}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent / "keras_layers.npz"))
