"""Attention in a functional model of short sequences, and the masks of a decoder."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(3)
kinds, length, width = 12, 10, 16
x = np.random.default_rng(0).integers(1, kinds, (500, length))
y = (x[:, 0] == x[:, -1]).astype("int32") | (x.max(1) == kinds - 1)  # needs a look at several steps


def with_residual(h, change):
    return layers.LayerNormalization()(h + layers.Dropout(0.1)(change))


steps = keras.Input((length,))
places = layers.Embedding(length, width)(ops.cumsum(ops.ones_like(steps), axis=1) - 1)
h = layers.Embedding(kinds, width)(steps) + places
h = with_residual(h, layers.MultiHeadAttention(2, width)(h, h))
h = with_residual(h, layers.Dense(width)(layers.Dense(32, activation="relu")(h)))
answer = layers.Dense(2, activation="softmax")(layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(h)))
model = keras.Model(steps, answer)
model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x[:400], y[:400], batch_size=50, epochs=8, verbose=0, validation_data=(x[400:], y[400:]))
print(f"accuracy {history.history['val_accuracy'][-1]:.2f}")
assert history.history["val_accuracy"][-1] > 0.8

masked = layers.Embedding(kinds, 8, mask_zero=True)(np.array([[3, 4, 0, 0]]))
_, scores = layers.MultiHeadAttention(2, 4)(masked, masked, use_causal_mask=True, return_attention_scores=True)
assert np.asarray(scores)[0, :, 0, 1:].max() == 0  # nothing looks ahead
assert np.asarray(scores)[0, :, :, 2:].max() == 0  # or at what is not there
