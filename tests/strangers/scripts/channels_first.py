"""The same network in both image layouts."""

import numpy as np

import gpunet as keras
from gpunet import layers


def make(data_format):
    keras.config.set_image_data_format(data_format)
    try:
        axis = 1 if data_format == "channels_first" else -1
        shape = (3, 12, 10) if data_format == "channels_first" else (12, 10, 3)
        return keras.Sequential(
            [
                keras.Input(shape),
                layers.Conv2D(6, 3, strides=2, padding="same", activation="relu"),
                layers.BatchNormalization(axis=axis),
                layers.MaxPooling2D(2),
                layers.Conv2DTranspose(4, 3, strides=2),
                layers.UpSampling2D(2),
                layers.AveragePooling2D(3, strides=1, padding="same"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(2),
            ]
        )
    finally:
        keras.config.set_image_data_format("channels_last")


last, first = make("channels_last"), make("channels_first")
first.set_weights(last.get_weights())
x = np.random.default_rng(0).normal(size=(8, 12, 10, 3)).astype("float32")
y = np.random.default_rng(1).normal(size=(8, 2)).astype("float32")
np.testing.assert_allclose(last(x), first(np.moveaxis(x, -1, 1)), rtol=1e-4, atol=1e-5)
for model, data in ((last, x), (first, np.ascontiguousarray(np.moveaxis(x, -1, 1)))):
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(data, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
for a, b in zip(last.get_weights(), first.get_weights()):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
assert keras.config.image_data_format() == "channels_last"
