"""NumPy of any dtype in, NumPy out; odd batch sizes and a last partial batch."""

import numpy as np

import gpunet as keras

rng = np.random.default_rng(0)
model = keras.Sequential([keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(3)])
x64 = rng.normal(size=(53, 7))
y = rng.normal(size=(53, 3))
model.compile("sgd", "mse", metrics=["mae"])

for batch_size in (1, 7, 52, 53, 54, 1000, None):
    model.fit(x64, y, batch_size=batch_size, epochs=1, verbose=0)
    whole = model.predict(x64, verbose=0)
    parts = model.predict(x64, batch_size=batch_size, verbose=0)
    assert type(parts) is np.ndarray
    assert parts.dtype == np.float32
    assert parts.shape == (53, 3)
    np.testing.assert_allclose(whole, parts, rtol=1e-5, atol=1e-6)
    loss, mae = model.evaluate(x64, y, batch_size=batch_size, verbose=0)
    np.testing.assert_allclose(loss, ((whole - y) ** 2).mean(), rtol=1e-5)
    np.testing.assert_allclose(mae, np.abs(whole - y).mean(), rtol=1e-5)

for dtype in ("float32", "float16", "uint8", "int64", "bool"):
    x = (rng.random((4, 7)) * 2).astype(dtype)
    expected = model.predict(x.astype("float32"), verbose=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(model(x)), expected, rtol=1e-5)

rows = model.predict([[1.0] * 7, [2.0] * 7], verbose=0)
assert rows.shape == (2, 3)
column_major = np.asfortranarray(x64)
np.testing.assert_allclose(model.predict(column_major, verbose=0), model.predict(x64, verbose=0), rtol=1e-6)
np.testing.assert_allclose(model.predict(x64[::-2], verbose=0), model.predict(x64, verbose=0)[::-2], rtol=1e-5)
out = model(x64)
assert np.argmax(out, axis=-1).shape == (53,)
assert (np.exp(out) > 0).all()
np.testing.assert_allclose(float(np.mean(out)), out.numpy().mean(), rtol=1e-6)
