"""Sub-pixel super-resolution on pictures of any size: channels become places by reshape and transpose."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(0)


class DepthToSpace(layers.Layer):
    def __init__(self, block_size):
        super().__init__()
        self.block_size = block_size

    def call(self, x):
        batch, height, width, depth = ops.shape(x)
        size = self.block_size
        x = ops.reshape(x, [batch, height, width, size, size, depth // size**2])
        x = ops.transpose(x, [0, 1, 3, 2, 4, 5])
        return ops.reshape(x, [batch, height * size, width * size, depth // size**2])


def psnr(a, b):
    return -10 * np.log10(np.mean((a - b) ** 2))


class Psnr(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.batches = []

    def on_test_batch_end(self, batch, logs=None):
        self.batches.append(-10 * np.log10(logs["loss"]))

    def on_epoch_end(self, epoch, logs=None):
        self.last = float(np.mean(self.batches))


inputs = keras.Input((None, None, 1))
x = layers.Conv2D(16, 5, padding="same", activation="relu", kernel_initializer="orthogonal")(inputs)
x = layers.Conv2D(9, 3, padding="same", kernel_initializer="orthogonal")(x)
model = keras.Model(inputs, DepthToSpace(3)(x))
assert model.output_shape == (None, None, None, 1)
assert model.compute_output_shape((2, 4, 5, 1)) == (2, 12, 15, 1)

rng = np.random.default_rng(0)
y, x = np.mgrid[:24, :24] / 24
waves = [np.sin(6 * (a * x + b * y) + c) for a, b, c in rng.uniform(0, 2, (96, 3))]
fine = (np.stack(waves)[..., None] / 2 + 0.5).astype("float32")
coarse = fine.reshape(-1, 8, 3, 8, 3, 1).mean((2, 4))
callback = Psnr()
model.compile(keras.optimizers.Adam(5e-3), "mse")
model.fit(
    coarse[:80],
    fine[:80],
    epochs=25,
    batch_size=8,
    validation_data=(coarse[80:], fine[80:]),
    verbose=0,
    callbacks=[callback],
)
found = model.predict(coarse[80:], verbose=0)
blocks = coarse[80:].repeat(3, 1).repeat(3, 2)
assert psnr(found, fine[80:]) > psnr(blocks, fine[80:]) + 3
assert abs(callback.last - psnr(found, fine[80:])) < 1.5
assert model.predict(coarse[:1, :5, :7], verbose=0).shape == (1, 15, 21, 1)
