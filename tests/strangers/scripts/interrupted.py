"""Ctrl-C in the middle of fit, then going on where it stopped."""

import numpy as np

import gpunet as keras


class Interrupt(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise KeyboardInterrupt


x, y = np.random.default_rng(0).normal(size=(2, 64, 3))
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
model.compile("adam", "mse")
try:
    model.fit(x, y, epochs=5, batch_size=8, callbacks=[Interrupt()])
except KeyboardInterrupt:
    print("stopped")
else:
    raise AssertionError("the interrupt was swallowed")
assert int(model.optimizer.iterations) == 3
with keras.GradientTape() as tape:  # nothing was left recording
    loss = keras.ops.mean(model(x) ** 2)
assert all(g is not None for g in tape.gradient(loss, model.trainable_variables))
history = model.fit(x, y, epochs=10, initial_epoch=5, batch_size=8, verbose=0)
assert history.epoch == [5, 6, 7, 8, 9]
assert int(model.optimizer.iterations) == 3 + 5 * 8
