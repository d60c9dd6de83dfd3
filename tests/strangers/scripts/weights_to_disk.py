"""Weights through np.savez, copies of a model, pickle of arrays, and k-fold in one process."""

import tempfile
from pathlib import Path

import numpy as np

import gpunet as keras
from gpunet.datasets import digits

(x, y), _ = digits.load_data()
x = x.reshape(len(x), -1) / 16


def make():
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


scores = []
folds = np.array_split(np.arange(len(x)), 3)
for fold in folds:
    keras.utils.clear_session()
    rest = np.setdiff1d(np.arange(len(x)), fold)
    model = make()
    assert model.name == "sequential"
    model.fit(x[rest], y[rest], epochs=12, verbose=0)
    scores.append(model.evaluate(x[fold], y[fold], verbose=0)[1])
assert np.mean(scores) > 0.9, scores

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "weights.npz"
    np.savez(path, *model.get_weights())
    other = make()
    with np.load(path) as file:
        other.set_weights([file[name] for name in file.files])
np.testing.assert_array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))
kept = other.get_weights()
model.fit(x, y, verbose=0)
for a, b in zip(kept, other.get_weights()):
    np.testing.assert_array_equal(a, b)
rebuilt = keras.Sequential.from_config(model.get_config())
rebuilt.set_weights(model.get_weights())
np.testing.assert_array_equal(model.predict(x[:9], verbose=0), rebuilt.predict(x[:9], verbose=0))
