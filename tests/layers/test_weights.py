"""Weights: Keras's order and names, freezing, sharing, containers, setting and reading."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, ops


def test_names_and_order_are_keras():
    expected = {
        "Dense": (layers.Dense(3), (2, 4), ["kernel", "bias"], [(4, 3), (3,)]),
        "Conv2D": (layers.Conv2D(3, (2, 5)), (1, 8, 8, 2), ["kernel", "bias"], [(2, 5, 2, 3), (3,)]),
        "Conv2DTranspose": (layers.Conv2DTranspose(3, 2), (1, 8, 8, 4), ["kernel", "bias"], [(2, 2, 3, 4), (3,)]),
        "BatchNormalization": (
            layers.BatchNormalization(),
            (2, 4),
            ["gamma", "beta", "moving_mean", "moving_variance"],
            [(4,)] * 4,
        ),
    }
    for layer, shape, names, shapes in expected.values():
        layer(np.zeros(shape))
        assert [w.name for w in layer.weights] == names
        assert [w.shape for w in layer.weights] == shapes
        assert [w.path for w in layer.weights] == [f"{layer.name}/{name}" for name in names]
        np.testing.assert_array_equal(layer.get_weights()[1], np.zeros(shapes[1]))
    assert [w.name for w in expected["BatchNormalization"][0].non_trainable_weights] == names[2:]


def test_own_trainable_first_then_others_then_sublayers():
    class Mixed(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(2)
            self.counter = self.add_weight(name="counter", shape=(), initializer="zeros", trainable=False)
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")

        def call(self, x):
            return self.inner(x) * self.scale

    layer = Mixed()
    layer(np.ones((1, 3)))
    assert [w.name for w in layer.weights] == ["scale", "counter", "kernel", "bias"]
    assert [w.name for w in layer.trainable_weights] == ["scale", "kernel", "bias"]
    assert layer.count_params() == 1 + 1 + 6 + 2


def test_containers_are_searched():
    class Stack(layers.Layer):
        def __init__(self):
            super().__init__()
            self.blocks = [layers.Dense(3), layers.Dense(3)]
            self.heads = {"a": layers.Dense(1)}
            self.blocks.append(layers.Dense(3))

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return self.heads["a"](x)

    stack = Stack()
    stack(np.ones((2, 3)))
    assert len(stack.weights) == 8
    stack.blocks.pop()
    assert len(stack.weights) == 6


def test_freezing():
    inner = layers.Dense(2)
    model = keras.Sequential([keras.Input((3,)), inner, layers.BatchNormalization(), layers.Dense(1)])
    assert len(model.trainable_weights) == 6
    inner.trainable = False
    assert len(model.trainable_weights) == 4
    assert len(model.non_trainable_weights) == 4
    model.trainable = False
    assert model.trainable_weights == []
    assert len(model.non_trainable_weights) == len(model.weights) == 8
    model.trainable = True
    assert len(model.trainable_weights) == 6
    assert [w.name for w in model.non_trainable_weights] == ["moving_mean", "moving_variance"]


def test_a_frozen_batch_norm_keeps_its_statistics():
    layer = layers.BatchNormalization()
    x = np.random.default_rng(0).normal(3, 2, (50, 4)).astype("float32")
    layer(x)
    layer.trainable = False
    before = layer.get_weights()
    np.testing.assert_allclose(layer(x, training=True), layer(x, training=False))
    for a, b in zip(before, layer.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_a_shared_layer_counts_once_and_sums_gradients():
    shared = layers.Dense(1, use_bias=False, kernel_initializer="ones")
    a, b = keras.Input((2,)), keras.Input((2,))
    model = keras.Model([a, b], shared(a) + 3 * shared(b))
    assert len(model.weights) == 1
    one, two = np.array([[1.0, 2.0]], "float32"), np.array([[5.0, 7.0]], "float32")
    with keras.GradientTape() as tape:
        y = ops.sum(model([one, two]))
    np.testing.assert_allclose(tape.gradient(y, shared.kernel)[:, 0], [1 + 15, 2 + 21])


def test_get_and_set_copy():
    layer = layers.Dense(2)
    layer.build((None, 3))
    got = layer.get_weights()
    got[0][...] = 7
    assert not (layer.get_weights()[0] == 7).any()
    new = [np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0])]
    layer.set_weights(new)
    new[0][...] = 0
    np.testing.assert_array_equal(layer.kernel, np.arange(6.0).reshape(3, 2))


def test_state_is_locked_once_built():
    layer = layers.Dense(2)
    layer.build((None, 3))
    with pytest.raises(ValueError, match="already built"):
        layer.extra = keras.Variable(1.0)


def test_saving_own_variables():
    layer, other = layers.BatchNormalization(), layers.BatchNormalization()
    layer(np.ones((2, 3)))
    other(np.ones((2, 3)))
    layer.set_weights([np.full(3, i + 1.0) for i in range(4)])
    store = {}
    layer.save_own_variables(store)
    assert sorted(store) == ["0", "1", "2", "3"]
    other.load_own_variables(store)
    np.testing.assert_array_equal(other.moving_variance, np.full(3, 4.0))
    with pytest.raises(ValueError, match="expected 4 variables"):
        other.load_own_variables({"0": store["0"]})


def test_same_seed_same_weights_also_per_layer():
    def make():
        return keras.Sequential([keras.Input((4,)), layers.Dense(5), layers.Dense(5)]).get_weights()

    keras.utils.set_random_seed(3)
    first = make()
    different = make()
    keras.utils.set_random_seed(3)
    for a, b, c in zip(first, make(), different):
        np.testing.assert_array_equal(a, b)
        if a.ndim > 1:
            assert (a != c).any()
    fixed = keras.initializers.GlorotUniform(seed=1)
    np.testing.assert_array_equal(fixed((3, 4)), fixed((3, 4)))
