"""The same training on the CPU and on a (stand-in) GPU: arrays stay where they are, weights are the same."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops
from gpunet.testing import DeviceArray, emulated_gpu

rng = np.random.default_rng(0)
x = rng.normal(size=(40, 8, 8, 1)).astype("float32")
y = rng.integers(0, 3, 40)


def train():
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=3, batch_size=16, validation_split=0.2, verbose=0)
    return model, history.history


with keras.device("cpu"):
    on_cpu, cpu_history = train()
    cpu_prediction = on_cpu.predict(x, verbose=0)

with emulated_gpu() as gpu:
    assert keras.default_device() == gpu
    on_gpu, gpu_history = train()
    assert all(v.device == gpu for v in on_gpu.weights)
    gpu_prediction = on_gpu.predict(x, verbose=0)
    assert type(gpu_prediction) is np.ndarray
    on_device = ops.to_device(x, gpu)
    assert type(on_gpu.predict(on_device, verbose=0)) is DeviceArray
    assert type(ops.conv(on_device, ops.to_device(np.ones((3, 3, 1, 2), "float32"), gpu))) is DeviceArray
    assert on_gpu(x).device == gpu
    evaluated = on_gpu.evaluate(on_device, y, verbose=0)

assert set(cpu_history) == set(gpu_history)
for name in cpu_history:
    np.testing.assert_allclose(cpu_history[name], gpu_history[name], rtol=2e-3, atol=1e-4)
np.testing.assert_allclose(cpu_prediction, gpu_prediction, rtol=2e-3, atol=1e-4)
