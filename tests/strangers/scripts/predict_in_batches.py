"""predict over arrays, batches and generators, and single samples."""

import numpy as np

import gpunet as keras

model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
x = np.random.default_rng(0).normal(size=(10, 4)).astype("float32")
expected = model.predict(x)
assert expected.shape == (10, 3)
np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)

np.testing.assert_allclose(model.predict_on_batch(x), expected, rtol=1e-5)
np.testing.assert_allclose(model.predict(x, batch_size=3), expected, rtol=1e-5)
by_generator = model.predict((x[i : i + 4] for i in range(0, 10, 4)), verbose=0)
np.testing.assert_allclose(by_generator, expected, rtol=1e-5)
np.testing.assert_allclose(model.predict(x[:1], verbose=0), expected[:1], rtol=1e-5)
np.testing.assert_allclose(model.predict(x, batch_size=2, steps=2, verbose=0), expected[:4], rtol=1e-5)
np.testing.assert_allclose(np.concatenate([model(row[None]) for row in x]), expected, rtol=1e-5)
np.testing.assert_array_equal(np.argmax(model.predict(x, verbose=0), axis=1), expected.argmax(1))
dropout = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)])
np.testing.assert_array_equal(dropout.predict(x, verbose=0), x)
assert (np.asarray(dropout(x, training=True)) == 0).any()
