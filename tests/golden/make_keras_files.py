"""Write small `.keras` files with real Keras, and what their models answer, into tests/golden/files.

Run by hand where Keras is installed, from the root of the repository: KERAS_BACKEND=torch python -m
tests.golden.make_keras_files [name…]. Each model has been trained for two steps; `losses` holds the losses of the next
three, `outputs` what the model predicted before them.
"""

import sys
from pathlib import Path

import numpy as np

from tests.golden.architectures import ARCHITECTURES, batch

FOLDER = Path(__file__).parent / "files"


def main(names):
    import keras

    FOLDER.mkdir(exist_ok=True)
    for name in names or ARCHITECTURES:
        keras.utils.set_random_seed(1)
        keras.utils.clear_session()
        model, shapes, targets = ARCHITECTURES[name](keras)
        x, y = batch(shapes, targets)
        train(model, x, y, 2)
        model.save(FOLDER / f"{name}.keras")
        outputs = keras.tree.flatten(model.predict(x, verbose=0))
        losses = np.array(train(model, x, y, 3))
        np.savez_compressed(FOLDER / f"{name}.npz", *outputs, losses=losses)


def train(model, x, y, steps):
    """The losses of some steps, each measured alone."""
    losses = []
    for _ in range(steps):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(x, y, return_dict=True)["loss"]))
    return losses


if __name__ == "__main__":
    main(sys.argv[1:])
