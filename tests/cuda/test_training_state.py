"""What a training step keeps beside the network lives on the device: no copies from or to the host, all by kernels."""

import numpy as np
import pytest

from gpunet import Sequential, Variable, layers, metrics, optimizers, random
from gpunet.autograd.tensor import wrap
from gpunet.backend.devices import CPU, as_array
from gpunet.layers import Dropout
from gpunet.random import SeedGenerator, global_generator, set_random_seed
from gpunet.testing import emulated_gpu

RNG = np.random.default_rng(0)
OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.1, momentum=0.5, centered=True, epsilon=1e-3),
    "adam": lambda: optimizers.Adam(0.1, weight_decay=0.01),
    "amsgrad": lambda: optimizers.Adam(0.1, amsgrad=True, epsilon=1e-3),
    "scaled": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.1, weight_decay=0.01), 4.0, 2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(gpu, no_copies, name):
    start = [RNG.standard_normal(shape).astype(np.float32) for shape in [(3, 5), (7,), (1,)] * 4]
    grads = [[RNG.standard_normal(v.shape).astype(np.float32) for v in start] for _ in range(3)]

    def train(device, between=lambda: None):
        optimizer = OPTIMIZERS[name]()
        variables = [Variable(v, device=device) for v in start]
        batches = [[as_array(g, target=device) for g in step] for step in grads]
        optimizer.apply(batches[0], variables)
        undo = between()
        for step in batches[1:]:
            optimizer.apply(step, variables)
        if undo is not None:
            undo()
        assert int(optimizer.iterations) == 3
        optimizer.learning_rate = 0.5
        optimizer.apply(batches[0], variables)
        return [v.numpy() for v in variables]

    for found, expected in zip(train(gpu, no_copies), train(CPU)):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5)
    assert gpu.launches["gather"] == 3 * 2
    assert not gpu.not_emulated


def test_seeds_and_dropout(gpu, no_copies):
    x = as_array(np.ones((4, 6), np.float32), target=gpu)
    generator, layer = SeedGenerator(5), Dropout(0.5, seed=3)
    first = layer(x, training=True)
    undo = no_copies()
    states = [generator.next() for _ in range(2)]
    second = layer(x, training=True)
    undo()
    assert [s.get().tolist() for s in states] == [[5, 0], [5, 1]]
    assert not np.array_equal(wrap(first).numpy(), wrap(second).numpy())
    assert gpu.launches == {"next_state": 3, "dropout": 1}
    assert not gpu.not_emulated


def test_metrics_with_a_number_as_weight(gpu, no_copies):
    mean, total = metrics.Mean(), metrics.Sum()
    values = as_array(np.array([1.0, 2.0, 6.0], np.float32), target=gpu)
    undo = no_copies()
    mean.update_state(values, 2.0)
    mean.update_state(values)
    total.update_state(values, 2)
    undo()
    assert float(mean.result()) == 3.0
    assert float(mean.count) == 9.0
    assert float(total.result()) == 18.0


def test_the_global_generator_outlives_a_device():
    with emulated_gpu():
        set_random_seed(3)
        first, second = random.uniform((4,)).numpy(), random.uniform((4,)).numpy()
        set_random_seed(3)
        assert random.uniform((4,)).numpy().tolist() == first.tolist()
    assert random.uniform((4,)).numpy().tolist() == second.tolist()
    assert global_generator().state.device == CPU


def small_network(optimizer):
    set_random_seed(0)
    model = Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            Dropout(0.3, seed=1),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model


@pytest.mark.parametrize(
    "optimizer",
    [lambda: optimizers.Adam(0.01), lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, global_clipnorm=0.5)],
)
def test_every_kernel_of_a_training_step_is_ours(gpu, optimizer):
    x, y = RNG.standard_normal((8, 8, 8, 1)).astype(np.float32), np.arange(8) % 3
    with CPU:
        reference = small_network(optimizer())
    model = small_network(optimizer())
    model.set_weights(reference.get_weights())
    model.train_on_batch(x, y)
    gpu.forget()
    found = [model.train_on_batch(x, y) for _ in range(3)]
    assert not gpu.not_emulated
    with CPU:
        reference.train_on_batch(x, y)
        expected = [reference.train_on_batch(x, y) for _ in range(3)]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for a, b in zip(model.get_weights(), reference.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-4)
