"""Losses and metrics as functions and as classes."""

import numpy as np

import gpunet as keras
from gpunet import ops


def custom_mean_squared_error(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


class CustomMSE(keras.losses.Loss):
    def __init__(self, regularization_factor=0.1, name="custom_mse"):
        super().__init__(name=name)
        self.regularization_factor = regularization_factor

    def call(self, y_true, y_pred):
        mse = ops.mean(ops.square(y_true - y_pred), axis=-1)
        reg = ops.mean(ops.square(0.5 - y_pred), axis=-1)
        return mse + reg * self.regularization_factor


class CategoricalTruePositives(keras.metrics.Metric):
    def __init__(self, name="categorical_true_positives", **kwargs):
        super().__init__(name=name, **kwargs)
        self.true_positives = self.add_variable(shape=(), name="ctp", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.reshape(ops.argmax(y_pred, axis=1), (-1, 1))
        values = ops.cast(y_true, "int32") == ops.cast(y_pred, "int32")
        values = ops.cast(values, "float32")
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, "float32")
            values = ops.multiply(values, sample_weight)
        self.true_positives.assign_add(ops.sum(values))

    def result(self):
        return self.true_positives

    def reset_state(self):
        self.true_positives.assign(0.0)


def rounded_error(y_true, y_pred):
    return ops.mean(ops.abs(y_true - ops.round(y_pred)), axis=-1)


rng = np.random.default_rng(0)
x = rng.normal(size=(96, 4)).astype("float32")
y = x @ rng.normal(size=(4, 2)).astype("float32")

results = []
for loss in ("mse", custom_mean_squared_error, keras.losses.MeanSquaredError(), CustomMSE(0.0)):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(2)])
    model.compile("adam", loss, metrics=[rounded_error, keras.metrics.RootMeanSquaredError()])
    model.fit(x, y, epochs=3, verbose=0)
    results.append(model.evaluate(x, y, verbose=0, return_dict=True))
for other in results[1:]:
    np.testing.assert_allclose(list(results[0].values()), list(other.values()), rtol=1e-4)
assert set(results[0]) == {"loss", "rounded_error", "root_mean_squared_error"}
np.testing.assert_allclose(results[0]["root_mean_squared_error"] ** 2, results[0]["loss"], rtol=1e-4)

labels = (y[:, 0] > y[:, 1]).astype("int64").reshape(-1, 1)
classifier = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
classifier.compile("adam", "sparse_categorical_crossentropy", metrics=[CategoricalTruePositives(), "accuracy"])
history = classifier.fit(x, labels, epochs=5, batch_size=32, verbose=0).history
np.testing.assert_allclose(np.array(history["categorical_true_positives"]) / 96, history["accuracy"], rtol=1e-5)
