"""A GRU cell in a Python loop inside a layer, on a sequence task, with gradient clipping."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(0)


class GRULayer(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.gates = layers.Dense(2 * units, activation="sigmoid")
        self.candidate = layers.Dense(units, activation="tanh")

    def call(self, inputs):
        batch, steps = inputs.shape[0], inputs.shape[1]
        state = ops.zeros((batch, self.units), dtype=inputs.dtype)
        for t in range(steps):
            x = inputs[:, t]
            update, reset = ops.split(self.gates(ops.concatenate([x, state], axis=-1)), 2, axis=-1)
            new = self.candidate(ops.concatenate([x, reset * state], axis=-1))
            state = update * state + (1 - update) * new
        return state


rng = np.random.default_rng(0)
x = rng.integers(0, 2, (600, 8, 1)).astype("float32")
y = (x.sum(axis=1) > 4).astype("float32")
model = keras.Sequential([keras.Input((8, 1)), GRULayer(16), layers.Dense(1, activation="sigmoid")])
assert model.output_shape == (None, 1)
model.compile(keras.optimizers.Adam(0.02, clipnorm=1.0), "binary_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=6, batch_size=50, verbose=0)
assert model.evaluate(x, y, verbose=0)[1] > 0.95
