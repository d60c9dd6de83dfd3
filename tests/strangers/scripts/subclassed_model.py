"""A subclassed model with a `training` argument; labels of shape (N,) and (N, 1)."""

import numpy as np

import gpunet as keras
from gpunet.datasets import digits

(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, x_test = x_train.reshape(-1, 64) / 16.0, x_test.reshape(-1, 64) / 16.0


class MLP(keras.Model):
    def __init__(self, hidden, classes):
        super().__init__()
        self.hidden = [keras.layers.Dense(n, activation="relu") for n in hidden]
        self.norm = keras.layers.BatchNormalization()
        self.dropout = keras.layers.Dropout(0.2)
        self.head = keras.layers.Dense(classes)

    def call(self, x, training=False):
        for layer in self.hidden:
            x = layer(x)
        x = self.norm(x, training=training)
        x = self.dropout(x, training=training)
        return self.head(x)


losses = []
for labels in (y_train, y_train[:, None]):
    keras.utils.set_random_seed(3)
    model = MLP([64, 32], 10)
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = model.fit(x_train, labels, epochs=12, batch_size=64, verbose=0)
    losses.append(history.history["loss"])
    assert history.history["accuracy"][-1] > 0.95

np.testing.assert_array_equal(losses[0], losses[1])
assert len(model.layers) == 5
assert len(model.trainable_variables) == 8
assert len(model.non_trainable_weights) == 2
loss, accuracy = model.evaluate(x_test, y_test[:, None], verbose=0)
assert accuracy > 0.93
np.testing.assert_allclose((model.predict(x_test, verbose=0).argmax(-1) == y_test).mean(), accuracy, rtol=1e-6)
model.summary()
