"""Two tasks on one trunk: losses, metrics and weights by name, a task left out, and a learning rate that is found."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = rng.normal(size=(300, 10)).astype("float32")
targets = {"kind": x[:, :3].argmax(1), "size": x.sum(1, keepdims=True)}


def two_headed():
    inputs = keras.Input((10,))
    trunk = layers.Dense(24, activation="tanh", name="trunk")(inputs)
    kind = layers.Dense(3, activation="softmax", name="kind_head")(trunk)
    return keras.Model(inputs, {"kind": kind, "size": layers.Dense(1, name="size_head")(trunk)})


class LearningRateFinder(keras.callbacks.Callback):
    def __init__(self, low, high, steps):
        super().__init__()
        self.low, self.factor, self.steps, self.seen = low, (high / low) ** (1 / steps), steps, []

    def on_train_begin(self, logs=None):
        self.weights = self.model.get_weights()
        self.model.optimizer.learning_rate = self.low

    def on_train_batch_end(self, batch, logs=None):
        rate = float(self.model.optimizer.learning_rate)
        self.seen.append((rate, logs["loss"]))
        self.model.optimizer.learning_rate = rate * self.factor
        self.model.stop_training = len(self.seen) >= self.steps

    def on_train_end(self, logs=None):
        self.model.set_weights(self.weights)


model = two_headed()
model.compile(
    keras.optimizers.Adam(),
    loss={"kind": "sparse_categorical_crossentropy", "size": "mse"},
    loss_weights={"kind": 1.0, "size": 0.1},
    metrics={"kind": ["accuracy"], "size": ["mae", keras.metrics.R2Score(name="r2")]},
)
finder = LearningRateFinder(1e-4, 1.0, 20)
before = model.get_weights()
model.fit(x, targets, batch_size=10, epochs=3, verbose=0, callbacks=[finder])
np.testing.assert_allclose([rate for rate, _ in finder.seen[::10]], [1e-4, 1e-2], rtol=1e-3)
np.testing.assert_array_equal(before[0], model.get_weights()[0])

model.optimizer.learning_rate = 1e-2
history = model.fit(x, targets, batch_size=20, epochs=15, validation_split=0.2, verbose=0).history
found = model.evaluate(x, targets, verbose=0, return_dict=True)
assert set(found) == {"loss", "kind_loss", "size_loss", "kind_accuracy", "size_mae", "size_r2"}
assert set(history) == set(found) | {f"val_{name}" for name in found}
np.testing.assert_allclose(found["loss"], found["kind_loss"] + 0.1 * found["size_loss"], rtol=1e-5)
assert found["kind_accuracy"] > 0.9, found
assert found["size_r2"] > 0.9, found

alone = two_headed()
alone.compile("adam", loss={"kind": "sparse_categorical_crossentropy"}, metrics={"kind": ["accuracy"]})
history = alone.fit(x, {"kind": targets["kind"]}, epochs=2, verbose=0, class_weight=None).history
assert set(history) == {"loss", "kind_accuracy"}
alone.compile("adam", loss={"color": "mse"})
with pytest.raises(KeyError, match="color"):
    alone.fit(x, targets, verbose=0)
