"""Augmentation as the first layers of a network, and a look at what it does, as tutorials write it."""

import numpy as np

import gpunet as keras
from gpunet import layers
from gpunet.datasets import digits

keras.utils.set_random_seed(7)
(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, x_test = x_train[:800, ..., None].astype("float32"), x_test[..., None].astype("float32")

normalization = layers.Normalization(axis=None)
normalization.adapt(x_train)

augmentation = keras.Sequential(
    [
        layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
        layers.RandomRotation(0.03, fill_mode="constant"),
        layers.RandomZoom(0.1),
        layers.RandomContrast(0.2, value_range=(0, 16)),
    ],
    name="augmentation",
)

one = x_train[:1]
versions = np.concatenate([np.asarray(augmentation(one, training=True)) for _ in range(4)])
assert versions.shape == (4, 8, 8, 1)
assert np.abs(versions[0] - versions[1]).max() > 0.1
np.testing.assert_array_equal(augmentation(one, training=False), one)

inputs = keras.Input((8, 8, 1))
x = augmentation(inputs)
x = normalization(x)
x = layers.Conv2D(16, 3, activation="relu")(x)
x = layers.AdaptiveAveragePooling2D(3)(x)
outputs = layers.Dense(10, activation="softmax")(layers.Flatten()(x))
model = keras.Model(inputs, outputs)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train[:800], batch_size=32, epochs=6, verbose=0)
accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
print(f"accuracy {accuracy:.3f}")
assert accuracy > 0.7
