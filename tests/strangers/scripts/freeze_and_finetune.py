"""Transfer learning: train on digits 0–4, freeze, new head for 5–9, then fine-tune everything."""

import numpy as np

import gpunet as keras
from gpunet import layers
from gpunet.datasets import digits

keras.utils.set_random_seed(0)
(x, y), _ = digits.load_data()
x = x[..., None].astype("float32") / 16
low, high = y < 5, y >= 5

base = keras.Sequential(
    [
        layers.Input((8, 8, 1)),
        layers.Conv2D(12, 3, padding="same", use_bias=False),
        layers.BatchNormalization(name="norm"),
        layers.Activation("relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(32, activation="relu"),
    ],
    name="base",
)
first = keras.Sequential([base, layers.Dense(5, activation="softmax")])
first.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
first.fit(x[low], y[low], epochs=6, verbose=0)
assert first.evaluate(x[low], y[low], verbose=0)[1] > 0.95

base.trainable = False
inputs = keras.Input((8, 8, 1))
features = base(inputs, training=False)
outputs = layers.Dense(5, activation="softmax")(features)
model = keras.Model(inputs, outputs)
assert len(model.trainable_weights) == 2
frozen = base.get_weights()
model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x[high], y[high] - 5, epochs=4, verbose=0)
for before, after in zip(frozen, base.get_weights()):
    np.testing.assert_array_equal(before, after)
_, with_frozen_base = model.evaluate(x[high], y[high] - 5, verbose=0)

base.trainable = True
assert len(model.trainable_weights) == 7
base.get_layer("norm").trainable = False
assert len(model.trainable_weights) == 5
model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x[high], y[high] - 5, epochs=6, verbose=0)
_, finetuned = model.evaluate(x[high], y[high] - 5, verbose=0)
assert any((b != a).any() for b, a in zip(frozen, base.get_weights()))
# A frozen batch norm keeps its statistics; `training=False` in the call would give way to that of `fit`.
np.testing.assert_array_equal(frozen[3], base.get_weights()[3])
assert finetuned > with_frozen_base
assert finetuned > 0.95
