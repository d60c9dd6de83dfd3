"""Forecasting from windows of a series: causal convolutions, a schedule, early stopping, a baseline to beat."""

import numpy as np

import gpunet as keras
from gpunet import layers

keras.utils.set_random_seed(3)
rng = np.random.default_rng(3)
steps = np.arange(900)
series = np.sin(steps / 7) + 0.5 * np.sin(steps / 3) + rng.normal(0, 0.05, len(steps))
table = np.stack([series, np.cos(steps / 7)], axis=1).astype("float32")
train, future = slice(0, 600), slice(600, 900)
mean, spread = table[train].mean(0), table[train].std(0)
table = (table - mean) / spread
WINDOW, AHEAD = 24, 3


def windows(part, shuffle=False):
    data = table[part]
    return keras.utils.timeseries_dataset_from_array(
        data[:-AHEAD], data[WINDOW + AHEAD - 1 :, :1], sequence_length=WINDOW, batch_size=50, shuffle=shuffle, seed=1
    )


inputs, targets = next(iter(windows(train)))
assert inputs.shape == (50, WINDOW, 2)
assert targets.shape == (50, 1)
np.testing.assert_array_equal(np.asarray(inputs)[7], table[7 : 7 + WINDOW])
np.testing.assert_array_equal(np.asarray(targets)[7], table[7 + WINDOW + AHEAD - 1, :1])

model = keras.Sequential(
    [
        keras.Input((WINDOW, 2)),
        layers.Conv1D(16, 3, padding="causal", dilation_rate=2, activation="relu"),
        layers.GRU(16, return_sequences=True),
        layers.TimeDistributed(layers.Dense(8, activation="relu")),
        layers.Flatten(),
        layers.Dense(1),
    ]
)
rate = keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=20, decay_rate=0.9)
model.compile(keras.optimizers.Adam(rate), loss=keras.losses.Huber(), metrics=["mae"])
stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
history = model.fit(
    windows(train, shuffle=True), validation_data=windows(future), epochs=8, callbacks=[stop], verbose=0
).history
updates = len(history["loss"]) * len(list(windows(train)))
assert int(model.optimizer.iterations) == updates
np.testing.assert_allclose(float(model.optimizer.learning_rate), 0.01 * 0.9 ** (updates / 20), rtol=1e-5)

_, error = model.evaluate(windows(future), verbose=0)
np.testing.assert_allclose(error, min(history["val_mae"]), atol=0.02)
pairs = [(np.asarray(a), np.asarray(b)) for a, b in windows(future)]
baseline = np.mean(np.concatenate([np.abs(a[:, -1, :1] - b) for a, b in pairs]))
assert error < 0.7 * baseline, (error, baseline)
predicted = model.predict(windows(future), verbose=0)
np.testing.assert_allclose(np.abs(predicted - np.concatenate([b for _, b in pairs])).mean(), error, rtol=1e-4)
