"""Weight and activity regularizers in the loss, and weight constraints."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops, regularizers

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 5)).astype("float32"), rng.normal(size=(64, 1)).astype("float32")

model = keras.Sequential(
    [
        keras.Input((5,)),
        layers.Dense(
            16,
            kernel_regularizer=regularizers.L1L2(l1=1e-3, l2=1e-2),
            bias_regularizer=regularizers.L2(1e-2),
            activity_regularizer=regularizers.L2(1e-3),
        ),
        layers.Dense(1, kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(0.5)),
    ]
)
model.compile("sgd", "mse", metrics=["mse"])
found = model.evaluate(x, y, batch_size=64, verbose=0, return_dict=True)
w1, b1, w2, _ = model.get_weights()
hidden = x @ w1 + b1
penalty = 1e-3 * np.abs(w1).sum() + 1e-2 * (w1**2).sum() + 1e-2 * (b1**2).sum() + 0.01 * (w2**2).sum()
activity = 1e-3 * (hidden**2).sum() / 64
np.testing.assert_allclose(found["loss"] - found["mse"], penalty + activity, rtol=1e-3)
model(x)
assert len(model.losses) == 4
np.testing.assert_allclose(float(sum(model.losses)), penalty + activity, rtol=1e-4)


def my_regularizer(weights):
    return 2e-2 * ops.sum(ops.square(weights))


norms = []
for regularizer in (my_regularizer, None):
    keras.utils.set_random_seed(1)
    model_2 = keras.Sequential([layers.Dense(16, kernel_regularizer=regularizer), layers.Dense(1)])
    model_2.compile(keras.optimizers.SGD(0.05), "mse")
    model_2.fit(x, y, epochs=80, verbose=0)
    norms.append(np.linalg.norm(model_2.get_weights()[0]))
assert norms[0] < 0.9 * norms[1], norms
model.fit(x, y, epochs=5, verbose=0)
assert np.linalg.norm(model.get_weights()[2], axis=0).max() <= 0.5 + 1e-5
