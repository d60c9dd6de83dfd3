"""A loop of one's own around train_on_batch and test_on_batch."""

import numpy as np

import gpunet as keras

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = rng.normal(size=(320, 6)).astype("float32")
y = (x.sum(axis=1) > 0).astype("int32")
model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(2)])
model.compile(
    optimizer=keras.optimizers.RMSprop(0.01),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
for epoch in range(5):
    found = [model.train_on_batch(x[i : i + 32], y[i : i + 32]) for i in range(0, 320, 32)]
    loss, accuracy = np.mean(found, axis=0)
    print(f"epoch {epoch}: loss {loss:.4f}, accuracy {accuracy:.4f}")
assert accuracy > 0.85
logs = model.test_on_batch(x, y, return_dict=True)
np.testing.assert_allclose(
    list(logs.values()), list(model.evaluate(x, y, verbose=0, return_dict=True).values()), rtol=1e-4
)
assert model.metrics_names[0] == "loss"
