"""Keras's "writing a training loop from scratch": metrics, validation, no fit."""

import numpy as np

import gpunet as keras
from gpunet.datasets import digits

keras.utils.set_random_seed(0)
(x_train, y_train), (x_val, y_val) = digits.load_data()
x_train = np.reshape(x_train, (-1, 64)).astype("float32") / 16
x_val = np.reshape(x_val, (-1, 64)).astype("float32") / 16

inputs = keras.Input(shape=(64,), name="digits")
x1 = keras.layers.Dense(64, activation="relu")(inputs)
x2 = keras.layers.Dense(64, activation="relu")(x1)
outputs = keras.layers.Dense(10, name="predictions")(x2)
model = keras.Model(inputs=inputs, outputs=outputs)

optimizer = keras.optimizers.SGD(learning_rate=0.1, momentum=0.9)
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
train_acc_metric = keras.metrics.SparseCategoricalAccuracy()
val_acc_metric = keras.metrics.SparseCategoricalAccuracy()
batch_size = 50

for epoch in range(6):
    print(f"\nStart of epoch {epoch}")
    for step, start in enumerate(range(0, len(x_train), batch_size)):
        x_batch, y_batch = x_train[start : start + batch_size], y_train[start : start + batch_size]
        with keras.GradientTape() as tape:
            logits = model(x_batch, training=True)
            loss_value = loss_fn(y_batch, logits)
        grads = tape.gradient(loss_value, model.trainable_weights)
        optimizer.apply(grads, model.trainable_weights)
        train_acc_metric.update_state(y_batch, logits)
        if step % 10 == 0:
            print(f"Training loss at step {step}: {float(loss_value):.4f}")
    train_acc = train_acc_metric.result()
    print(f"Training acc over epoch: {float(train_acc):.4f}")
    train_acc_metric.reset_state()
    for start in range(0, len(x_val), batch_size):
        val_logits = model(x_val[start : start + batch_size], training=False)
        val_acc_metric.update_state(y_val[start : start + batch_size], val_logits)
    val_acc = val_acc_metric.result()
    val_acc_metric.reset_state()
    print(f"Validation acc: {float(val_acc):.4f}")

assert float(train_acc) > 0.95
assert val_acc > 0.92
assert int(optimizer.iterations) == 6 * 29
