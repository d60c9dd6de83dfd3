"""Accuracies per class in the logs, and an optimizer of its own for the first layer."""

import numpy as np

import gpunet as keras
from gpunet import layers, metrics, optimizers
from gpunet.datasets import digits

keras.utils.set_random_seed(0)
(x, y), (x_test, y_test) = digits.load_data()
x, x_test = (a.reshape(len(a), -1).astype("float32") / 16 for a in (x, x_test))

inputs = keras.Input((64,))
hidden = layers.Dense(32, activation="relu", name="encoder")(inputs)
model = keras.Model(inputs, layers.Dense(10, activation="softmax", name="head")(hidden))
optimizer = optimizers.MultiOptimizer(
    optimizers.OptimizerMap(optimizers.Adam(0.01), {"encoder/.*": optimizers.Muon(0.01, weight_decay=0.0)})
)
model.compile(
    optimizer,
    "sparse_categorical_crossentropy",
    metrics=["accuracy", metrics.PerClassAccuracy(10), metrics.ConfusionMatrix(10, name="matrix")],
)
halved = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch == 3 else rate)
model.fit(x, y, epochs=5, verbose=0, callbacks=[halved])
assert [round(float(o.learning_rate), 6) for o in optimizer.optimizers] == [0.005, 0.005]

logs = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
assert logs["accuracy"] > 0.9, logs["accuracy"]
assert logs["matrix"].sum() == len(y_test)
assert min(logs[f"accuracy_{digit}"] for digit in range(10)) > 0.6
assert np.trace(logs["matrix"]) == round(logs["accuracy"] * len(y_test))
