"""Loading data in forked worker processes, after the parent has already trained."""

import multiprocessing

import numpy as np

import gpunet as keras
from gpunet import ops
from gpunet.datasets import digits

(x_train, y_train), _ = digits.load_data()


def load(indices):
    """Runs in a worker: reads, augments, also with the library's own ops."""
    images = x_train[indices, :, :, None].astype("float32") / 16
    images = ops.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    blurred = ops.average_pool(images, 3, strides=1)
    sharp = ops.conv(images, np.ones((3, 3, 1, 1), "float32") / 9)
    assert np.allclose(blurred, sharp, atol=1e-5)
    return images[:, 1:-1, 1:-1], y_train[indices]


keras.utils.set_random_seed(0)
model = keras.Sequential(
    [keras.layers.Conv2D(16, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(10)]
)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
model.fit(*load(np.arange(256)), verbose=0)

batches = [np.arange(i, min(i + 64, len(x_train))) for i in range(0, len(x_train), 64)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    for _ in range(4):
        model.fit(pool.imap(load, batches), verbose=0)
loss, accuracy = model.evaluate(*load(np.arange(len(x_train))), verbose=0)
assert accuracy > 0.85, accuracy
