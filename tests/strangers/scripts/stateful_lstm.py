"""A stateful LSTM that follows long series in pieces, and a cell of one's own."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(0)
SERIES, STEPS, PIECE = 8, 60, 10
time = np.arange(STEPS + 1)
phases = np.linspace(0, 3, SERIES)[:, None]
waves = np.sin(0.3 * time + phases).astype("float32")[..., None]

model = keras.Sequential(
    [
        keras.Input(batch_shape=(SERIES, PIECE, 1)),
        layers.LSTM(16, return_sequences=True, stateful=True),
        layers.Dense(1),
    ]
)
model.compile(keras.optimizers.Adam(0.02), "mse")
for _ in range(25):
    for start in range(0, STEPS, PIECE):
        piece = waves[:, start : start + PIECE]
        model.train_on_batch(piece, waves[:, start + 1 : start + PIECE + 1])
    model.layers[0].reset_state()

first = model.predict(waves[:, :PIECE], batch_size=SERIES, verbose=0)
second = model.predict(waves[:, PIECE : 2 * PIECE], batch_size=SERIES, verbose=0)
error = np.mean((second - waves[:, PIECE + 1 : 2 * PIECE + 1]) ** 2)
assert error < 0.01, error
model.layers[0].reset_state()
anew = model.predict(waves[:, PIECE : 2 * PIECE], batch_size=SERIES, verbose=0)
assert np.abs(second[:, 0] - anew[:, 0]).max() > 1e-3  # it remembered
assert first.shape == anew.shape


class Leaky(layers.Layer):
    """A running mean with a learned rate."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.state_size = units

    def build(self, input_shape):
        self.rate = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="rate")

    def call(self, inputs, states):
        rate = ops.sigmoid(self.rate)
        mean = rate * states[0] + (1 - rate) * inputs
        return mean, [mean]


smoothed = layers.RNN(Leaky(1), return_sequences=True)
signal = np.random.default_rng(0).standard_normal((2, 40, 1)).astype("float32")
assert np.std(smoothed(signal)) < np.std(signal)
