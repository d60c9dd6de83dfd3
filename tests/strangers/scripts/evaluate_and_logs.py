"""evaluate with several metrics, return_dict, History and what the log file shows."""

import contextlib
import io

import numpy as np

import gpunet as keras

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(70, 3)), rng.integers(0, 2, 70)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
model.compile(
    optimizer="adam",
    loss="binary_crossentropy",
    metrics=["accuracy", "mse", keras.metrics.BinaryAccuracy(threshold=0.7, name="strict")],
)
listed = model.evaluate(x, y, verbose=0)
named = model.evaluate(x, y, verbose=0, return_dict=True)
assert list(named) == ["accuracy", "loss", "mse", "strict"]
assert len(listed) == 4
assert listed[0] == named["loss"]
assert listed == [named[name] for name in ("loss", "accuracy", "mse", "strict")]
p = model.predict(x, verbose=0)[:, 0]
np.testing.assert_allclose(named["accuracy"], ((p > 0.5) == y).mean(), rtol=1e-6)
np.testing.assert_allclose(named["strict"], ((p > 0.7) == y).mean(), rtol=1e-6)
np.testing.assert_allclose(named["mse"], ((p - y) ** 2).mean(), rtol=1e-5)
np.testing.assert_allclose(named["loss"], -np.log(np.where(y, p, 1 - p)).mean(), rtol=1e-5)

text = io.StringIO()
with contextlib.redirect_stdout(text):
    history = model.fit(x, y, epochs=3, validation_split=0.2, verbose=2)
lines = text.getvalue().splitlines()
assert len(lines) == 3, lines
assert lines[0].startswith("Epoch 1/3")
assert "val_loss" in lines[-1]
assert history.epoch == [0, 1, 2]
assert model.history is history
assert set(history.history) == {*named, *(f"val_{name}" for name in named)}
assert history.params["epochs"] == 3
