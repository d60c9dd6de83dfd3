"""Endless and finite generators, and a sequence of batches."""

import math

import numpy as np

import gpunet as keras
from gpunet.datasets import digits

(x_train, y_train), (x_test, y_test) = digits.load_data()


def batches(x, y, batch_size=32, forever=True):
    while True:
        order = np.random.permutation(len(x))
        for start in range(0, len(x), batch_size):
            pick = order[start : start + batch_size]
            yield x[pick].reshape(-1, 64) / 16, y[pick]
        if not forever:
            return


class DigitSequence(keras.utils.PyDataset):
    def __init__(self, x, y, batch_size, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y = x, y
        self.batch_size = batch_size
        self.epochs_seen = 0

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, idx):
        low = idx * self.batch_size
        high = min(low + self.batch_size, len(self.x))
        return self.x[low:high].reshape(-1, 64) / 16, self.y[low:high]

    def on_epoch_end(self):
        self.epochs_seen += 1


keras.utils.set_random_seed(0)
model = keras.Sequential([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10, activation="softmax")])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
steps = math.ceil(len(x_train) / 32)
history = model.fit(
    batches(x_train, y_train),
    steps_per_epoch=steps,
    epochs=4,
    validation_data=batches(x_test, y_test),
    validation_steps=5,
    verbose=0,
)
assert len(history.history["val_accuracy"]) == 4
loss, accuracy = model.evaluate(batches(x_test, y_test, forever=False), verbose=0)
assert accuracy > 0.85

train_sequence = DigitSequence(x_train, y_train, 100)
history = model.fit(train_sequence, validation_data=DigitSequence(x_test, y_test, 64), epochs=3, verbose=0)
assert train_sequence.epochs_seen == 3
assert history.history["val_accuracy"][-1] > 0.9
assert model.predict(DigitSequence(x_test, y_test, 64), verbose=0).shape == (360, 10)
