"""Early stopping that puts the best weights back."""

import numpy as np

import gpunet as keras
from gpunet.callbacks import EarlyStopping

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = rng.normal(size=(60, 30))
y = (x[:, 0] + 0.8 * rng.normal(size=60) > 0).astype(int)
x_val = rng.normal(size=(200, 30))
y_val = (x_val[:, 0] > 0).astype(int)

model = keras.Sequential(
    [keras.Input((30,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(1, activation="sigmoid")]
)
model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
stop = EarlyStopping(monitor="val_loss", patience=4, restore_best_weights=True, verbose=1)
history = model.fit(x, y, epochs=200, validation_data=(x_val, y_val), callbacks=[stop], verbose=0)

val_loss = history.history["val_loss"]
assert len(val_loss) < 200
best = int(np.argmin(val_loss))
assert len(val_loss) == best + 1 + 4
assert stop.best_epoch == best
assert stop.stopped_epoch == best + 4
loss, _ = model.evaluate(x_val, y_val, verbose=0)
np.testing.assert_allclose(loss, val_loss[best], rtol=1e-5)
