"""A Siamese network: one encoder for both images, contrastive loss."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops
from gpunet.datasets import digits

keras.utils.set_random_seed(0)
(x_train, y_train), _ = digits.load_data()
x_train = x_train[..., np.newaxis] / np.float32(16)
rng = np.random.default_rng(0)
left, right = rng.integers(0, len(x_train), (2, 2000))
by_class = [np.flatnonzero(y_train == c) for c in range(10)]
right[:1000] = [rng.choice(by_class[y_train[i]]) for i in left[:1000]]
same = (y_train[left] == y_train[right]).astype("float32")

inputs = layers.Input((8, 8, 1))
h = layers.Conv2D(8, 3, activation="relu")(inputs)
h = layers.AveragePooling2D(2)(h)
h = layers.Flatten()(h)
encoder = keras.Model(inputs, layers.Dense(10)(h), name="encoder")

a, b = layers.Input((8, 8, 1)), layers.Input((8, 8, 1))
distance = ops.sqrt(ops.sum(ops.square(encoder(a) - encoder(b)), axis=1, keepdims=True) + 1e-6)
siamese = keras.Model([a, b], distance)


def contrastive_loss(y_true, y_pred, margin=1.0):
    y_true = ops.cast(y_true, y_pred.dtype)
    return ops.mean(y_true * ops.square(y_pred) + (1 - y_true) * ops.square(ops.maximum(margin - y_pred, 0)))


siamese.compile(loss=contrastive_loss, optimizer=keras.optimizers.RMSprop(3e-3))
assert len(siamese.trainable_weights) == len(encoder.trainable_weights) == 4
history = siamese.fit([x_train[left], x_train[right]], same, epochs=6, batch_size=64, verbose=0)
assert history.history["loss"][-1] < 0.8 * history.history["loss"][0]
d = siamese.predict([x_train[left], x_train[right]], verbose=0)[:, 0]
assert d[same == 1].mean() < 0.7 * d[same == 0].mean()
