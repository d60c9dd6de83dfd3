"""A `train_step` and `test_step` of one's own, with one's own metrics."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops


class CustomModel(keras.Model):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.mae_metric = keras.metrics.MeanAbsoluteError(name="mae")
        self.loss_fn = keras.losses.MeanSquaredError()

    def train_step(self, data):
        x, y = data
        with keras.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.loss_fn(y, y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        self.loss_tracker.update_state(loss)
        self.mae_metric.update_state(y, y_pred)
        return {"loss": self.loss_tracker.result(), "mae": self.mae_metric.result()}

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        self.mae_metric.update_state(y, y_pred)
        return {"mae": self.mae_metric.result()}

    @property
    def metrics(self):
        return [self.loss_tracker, self.mae_metric]


keras.utils.set_random_seed(1)
x = np.random.random((1000, 32))
y = x[:, :4].sum(axis=1, keepdims=True)

inputs = keras.Input(shape=(32,))
hidden = layers.Dense(16, activation="relu")(inputs)
outputs = layers.Dense(1)(hidden)
model = CustomModel(inputs, outputs)
model.compile(optimizer="adam")
history = model.fit(x, y, epochs=5, verbose=2)
assert sorted(history.history) == ["loss", "mae"]
assert history.history["loss"][-1] < history.history["loss"][0] / 2

result = model.evaluate(x, y, return_dict=True, verbose=0)
expected = np.abs(model.predict(x, verbose=0) - y).mean()
np.testing.assert_allclose(result["mae"], expected, rtol=1e-4)
assert float(ops.sum(model(x[:3]))) == float(np.asarray(model(x[:3])).sum())
