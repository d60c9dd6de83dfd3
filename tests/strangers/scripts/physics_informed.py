"""A physics-informed network: second derivatives of the network with respect to its input inside the loss."""

import numpy as np

import gpunet as keras
from gpunet import ops

keras.utils.set_random_seed(0)
# u'' = -π² sin(πt), u(0) = u(1) = 0  →  u = sin(πt)
net = keras.Sequential(
    [keras.Input((1,)), keras.layers.Dense(20, "tanh"), keras.layers.Dense(20, "tanh"), keras.layers.Dense(1)]
)
optimizer = keras.optimizers.Adam(0.01)
t = np.linspace(0, 1, 32, dtype="float32")[:, None]
for _ in range(500):
    with keras.GradientTape() as tape:
        points = keras.Tensor(t)
        with keras.GradientTape() as second:
            second.watch(points)
            with keras.GradientTape() as first:
                first.watch(points)
                u = net(points)
            du = first.gradient(u, points)
        ddu = second.gradient(du, points)
        residual = ops.mean(ops.square(ddu + np.pi**2 * ops.sin(np.pi * points)))
        boundary = ops.sum(ops.square(net(np.array([[0.0], [1.0]]))))
        loss = residual + 50 * boundary
    optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
error = np.abs(net.predict(t, verbose=0) - np.sin(np.pi * t)).max()
assert error < 0.2, error
