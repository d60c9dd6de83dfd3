"""A bidirectional LSTM on padded texts of different lengths, with masks, dropout and a saved model."""

import os
import tempfile

import numpy as np

import gpunet as keras
from gpunet import layers

keras.utils.set_random_seed(1)
rng = np.random.default_rng(0)
VOCABULARY, LONGEST = 20, 12

texts, labels = [], []
for _ in range(600):
    words = rng.integers(2, VOCABULARY, rng.integers(3, LONGEST + 1))
    label = rng.integers(0, 2)
    if label:
        words[rng.integers(0, len(words))] = 1  # the word that matters, anywhere
    texts.append(np.pad(words, (0, LONGEST - len(words))))
    labels.append(label)
x, y = np.array(texts), np.array(labels)

inputs = keras.Input(shape=(None,), dtype="int32")
h = layers.Embedding(VOCABULARY, 16, mask_zero=True)(inputs)
h = layers.Bidirectional(layers.LSTM(16, return_sequences=True, dropout=0.1))(h)
h = layers.Bidirectional(layers.GRU(8))(h)
outputs = layers.Dense(1, activation="sigmoid")(h)
model = keras.Model(inputs, outputs)
model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
model.fit(x[:500], y[:500], batch_size=50, epochs=10, validation_data=(x[500:], y[500:]), verbose=0)
loss, accuracy = model.evaluate(x[500:], y[500:], verbose=0)
assert accuracy > 0.9, accuracy

# Longer padding changes nothing: padded steps are masked.
padded = np.pad(x[500:], ((0, 0), (0, 5)))
np.testing.assert_allclose(model.predict(padded, verbose=0), model.predict(x[500:], verbose=0), rtol=1e-4, atol=1e-5)

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "classifier.keras")
    model.save(path)
    loaded = keras.models.load_model(path)
np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
