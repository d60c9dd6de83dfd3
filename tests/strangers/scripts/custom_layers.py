"""Keras's guide to making new layers: Linear, a running sum, a block of layers, losses, configurations."""

import numpy as np

import gpunet as keras
from gpunet import ops


class Linear(keras.layers.Layer):
    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True)
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True)

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b

    def get_config(self):
        config = super().get_config()
        config.update({"units": self.units})
        return config


class ComputeSum(keras.layers.Layer):
    def __init__(self, input_dim):
        super().__init__()
        self.total = self.add_weight(initializer="zeros", shape=(input_dim,), trainable=False)

    def call(self, inputs):
        self.total.assign_add(ops.sum(inputs, axis=0))
        return self.total


class MLPBlock(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.linear_1 = Linear(32)
        self.linear_2 = Linear(32)
        self.linear_3 = Linear(1)

    def call(self, inputs):
        x = self.linear_1(inputs)
        x = keras.activations.relu(x)
        x = self.linear_2(x)
        x = keras.activations.relu(x)
        return self.linear_3(x)


class ActivityRegularizationLayer(keras.layers.Layer):
    def __init__(self, rate=1e-2):
        super().__init__()
        self.rate = rate

    def call(self, inputs):
        self.add_loss(self.rate * ops.mean(inputs))
        return inputs


linear = Linear(4)
y = linear(ops.ones((2, 2)))
assert y.shape == (2, 4)
assert linear.weights == [linear.w, linear.b]
again = Linear.from_config(linear.get_config())
assert again.units == 4
assert again.name == linear.name

my_sum = ComputeSum(2)
x = ops.ones((2, 2))
assert my_sum(x).numpy().tolist() == [2.0, 2.0]
assert my_sum(x).numpy().tolist() == [4.0, 4.0]
assert len(my_sum.weights) == 1
assert len(my_sum.trainable_weights) == 0

mlp = MLPBlock()
y = mlp(ops.ones(shape=(3, 64)))
assert len(mlp.weights) == 6
assert len(mlp.trainable_weights) == 6

layer = ActivityRegularizationLayer()
assert len(layer.losses) == 0
layer(ops.zeros((1, 1)))
assert len(layer.losses) == 1
layer(ops.zeros((1, 1)))
assert len(layer.losses) == 1

model = keras.Sequential([keras.Input((5,)), Linear(8), ActivityRegularizationLayer(), MLPBlock()])
copy = keras.Sequential.from_config(
    keras.Sequential([keras.Input((5,)), Linear(8), keras.layers.Dense(1)]).get_config(),
    custom_objects={"Linear": Linear},
)
assert [type(each).__name__ for each in copy.layers] == ["Linear", "Dense"]
model.compile("sgd", "mse")
before = model.get_weights()
model.fit(np.ones((16, 5)), np.ones((16, 1)), verbose=0)
assert all((a != b).any() for a, b in zip(before, model.get_weights()))
