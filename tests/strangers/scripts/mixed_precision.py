"""Mixed precision by a global policy, with a float32 softmax at the end."""

import numpy as np

import gpunet as keras
from gpunet import layers
from gpunet.datasets import digits

(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, x_test = x_train.reshape(-1, 64) / 16, x_test.reshape(-1, 64) / 16

for policy, compute in (("mixed_bfloat16", "bfloat16"), ("mixed_float16", "float16")):
    keras.mixed_precision.set_global_policy(policy)
    try:
        keras.utils.set_random_seed(0)
        inputs = keras.Input(shape=(64,), name="digits")
        dense1 = layers.Dense(64, activation="relu", name="dense_1")
        x = dense1(inputs)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Dense(10, name="dense_logits")(x)
        outputs = layers.Activation("softmax", dtype="float32", name="predictions")(x)
        model = keras.Model(inputs=inputs, outputs=outputs)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert dense1.compute_dtype == compute
    assert dense1.dtype_policy.variable_dtype == "float32"
    assert outputs.dtype == "float32"
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, epochs=4, batch_size=64, verbose=0)
    assert all(w.dtype == np.float32 for w in model.get_weights())
    assert model.predict(x_test, verbose=0).dtype == np.float32
    assert model.evaluate(x_test, y_test, verbose=0)[1] > 0.9
    assert str(dense1(x_test[:2]).dtype) == compute
