"""Batches from generators that end before, at and after the end of an epoch, for training and validation."""

import warnings

import numpy as np

import gpunet as keras
from gpunet import layers

rng = np.random.default_rng(2)
x = rng.normal(size=(40, 3)).astype("float32")
y = x @ [[1.0], [-2.0], [0.5]]


def batches(count, size=4):
    for i in range(count):
        part = slice(i * size % len(x), i * size % len(x) + size)
        yield x[part], y[part]


def compiled():
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def fit(*arguments, **options):
    """The losses by epoch, and what was warned of."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        history = compiled().fit(*arguments, verbose=0, **options).history
    return history, [str(w.message) for w in found]


exact, warned = fit(batches(6), steps_per_epoch=3, epochs=2)
assert len(exact["loss"]) == 2
assert not warned
at_the_end, warned = fit(batches(6), steps_per_epoch=3, epochs=3)
assert at_the_end["loss"] == exact["loss"]
assert "ran out of data" in warned[0]
inside, warned = fit(batches(7), steps_per_epoch=3, epochs=5)
assert inside["loss"][:2] == exact["loss"]
assert len(inside["loss"]) == 3
assert "ran out of data" in warned[0]

history, warned = fit(x, y, epochs=4, validation_data=batches(5), validation_steps=2)
assert len(history["loss"]) == 4
assert len(history["val_loss"]) == 3
assert "ran out of data" in warned[0]

model = compiled()
for run in (lambda: model.fit(batches(0)), lambda: model.evaluate(batches(0)), lambda: model.predict(batches(0))):
    try:
        run()
        message = "nothing"
    except ValueError as error:
        message = str(error)
    assert "at least one batch" in message, message

seen = []
keep = keras.callbacks.LambdaCallback(on_predict_batch_end=lambda batch, logs: seen.append(logs["outputs"]))
predicted = model.predict(batches(3), verbose=0, callbacks=[keep])
np.testing.assert_array_equal(np.concatenate(seen), predicted)
np.testing.assert_allclose(predicted, model.predict(x[:12], verbose=0), rtol=1e-5, atol=1e-6)
