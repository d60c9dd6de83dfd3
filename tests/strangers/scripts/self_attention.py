"""Multi-head self-attention from ops, as a layer inside a functional model."""

import math

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(0)


class SelfAttention(keras.Layer):
    def __init__(self, heads, head_dim):
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        self.qkv = layers.Dense(3 * heads * head_dim)
        self.out = layers.Dense(heads * head_dim)

    def call(self, x):
        batch, length, _ = ops.shape(x)
        qkv = ops.reshape(self.qkv(x), (batch, length, 3, self.heads, self.head_dim))
        q, k, v = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)))
        weights = ops.softmax(ops.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(self.head_dim), axis=-1)
        y = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
        return self.out(ops.reshape(y, (batch, length, self.heads * self.head_dim)))


inputs = keras.Input((6, 8))
x = layers.Add()([inputs, SelfAttention(2, 4)(inputs)])
x = layers.Dense(8, activation="gelu")(x)
x = ops.mean(x, axis=1)
model = keras.Model(inputs, layers.Dense(3)(x))
assert model.output_shape == (None, 3)

rng = np.random.default_rng(0)
data = rng.normal(size=(300, 6, 8)).astype("float32")
target = np.einsum("nid,njd->n", data, data)[:, None] / 50 * np.ones((1, 3))
model.compile(keras.optimizers.Adam(0.01), "mse")
losses = model.fit(data, target, epochs=8, verbose=0).history["loss"]
assert losses[-1] < 0.4 * losses[0], losses
permuted = data[:5][:, [3, 1, 0, 2, 5, 4]]
np.testing.assert_allclose(model.predict(permuted, verbose=0), model.predict(data[:5], verbose=0), rtol=1e-3, atol=1e-4)
