"""A subclassed model with `jit_compile=True`, fine-tuned with a frozen trunk, evaluated on an odd last batch."""

import numpy as np

import gpunet as keras
from gpunet import layers
from gpunet.datasets import digits

keras.utils.set_random_seed(0)
(x, y), (x_test, y_test) = digits.load_data()
x, x_test = x[..., None] / 16.0, x_test[..., None] / 16.0


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.trunk = keras.Sequential(
            [layers.Conv2D(8, 3, activation="relu"), layers.BatchNormalization(), layers.Flatten()]
        )
        self.head = layers.Dense(10, activation="softmax")

    def call(self, images, training=None):
        return self.head(self.trunk(images, training=training))


model = Net()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=True)
history = model.fit(x, y, batch_size=50, epochs=4, validation_split=0.1, verbose=0)
assert history.history["val_accuracy"][-1] > 0.85

model.trunk.trainable = False
model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=True)
before = [w.copy() for w in model.trunk.get_weights()[:2]]
model.fit(x, y, batch_size=50, epochs=2, verbose=0)
for a, b in zip(before, model.trunk.get_weights()):
    assert np.array_equal(a, b)

loss, accuracy = model.evaluate(x_test[:333], y_test[:333], batch_size=64, verbose=0)
probabilities = model.predict(x_test[:333], batch_size=64, verbose=0)
assert accuracy == np.float32(np.mean(probabilities.argmax(1) == y_test[:333]))
