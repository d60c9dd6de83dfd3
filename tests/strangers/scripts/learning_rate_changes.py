"""Changing the learning rate during fit: callbacks, between fits, and a schedule by hand."""

import numpy as np

import gpunet as keras


class StepDecay(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        lr = 0.1 * 0.5**epoch
        self.model.optimizer.learning_rate = lr

    def on_epoch_end(self, epoch, logs=None):
        logs["lr"] = float(self.model.optimizer.learning_rate)


class Warmup(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate.assign(0.01 * (batch + 1))


x = np.ones((8, 1), "float32")
y = np.zeros((8, 1), "float32")
model = keras.Sequential([keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
model.compile(keras.optimizers.SGD(learning_rate=0.1), "mse")
history = model.fit(x, y, epochs=3, batch_size=8, verbose=0, callbacks=[StepDecay()])
assert np.allclose(history.history["lr"], [0.1, 0.05, 0.025])
# w ← w − lr·2w at each step
np.testing.assert_allclose(model.get_weights()[0][0, 0], (1 - 0.2) * (1 - 0.1) * (1 - 0.05), rtol=1e-6)

model.layers[0].set_weights([np.array([[1.0]])])
model.fit(x, y, epochs=1, batch_size=2, verbose=0, callbacks=[Warmup()])
np.testing.assert_allclose(model.get_weights()[0][0, 0], 0.98 * 0.96 * 0.94 * 0.92, rtol=1e-6)

model.optimizer.learning_rate = 0.0
before = model.get_weights()[0]
model.fit(x, y, verbose=0)
assert model.get_weights()[0] == before
assert model.optimizer.learning_rate == 0.0

log = []
model.fit(
    x, y, epochs=2, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: log.append(e))]
)
assert log == [0, 1]
