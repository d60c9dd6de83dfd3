"""A Gaussian process in keras.ops: its likelihood by a Cholesky factor, its length scale by gradient descent."""

import numpy as np

import gpunet as keras
from gpunet import ops

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 6, 30)).astype("float64")
y = np.sin(x) + 0.1 * rng.normal(size=30)

log_scale = keras.Variable(np.log(0.2), dtype="float64")
log_noise = keras.Variable(np.log(0.5), dtype="float64")


def kernel(a, b):
    return ops.exp(-0.5 * ops.square((a[:, None] - b[None, :]) / ops.exp(log_scale)))


def negative_log_likelihood():
    covariance = kernel(x, x) + ops.exp(2.0 * log_noise) * ops.eye(len(x), dtype="float64")
    factor = ops.linalg.cholesky(covariance)
    half = ops.solve_triangular(factor, y, lower=True)
    return 0.5 * ops.sum(ops.square(half)) + ops.sum(ops.log(ops.diagonal(factor)))


optimizer = keras.optimizers.Adam(0.05)
losses = []
for _ in range(150):
    with keras.GradientTape() as tape:
        loss = negative_log_likelihood()
    variables = [log_scale, log_noise]
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    losses.append(float(loss))
assert losses[-1] < losses[0] - 10, (losses[0], losses[-1])
assert 0.05 < float(ops.exp(log_noise)) < 0.2, float(ops.exp(log_noise))

new = np.linspace(0.5, 5.5, 11)
covariance = kernel(x, x) + ops.exp(2.0 * log_noise) * ops.eye(len(x), dtype="float64")
mean = ops.matmul(kernel(new, x), ops.solve(covariance, y))
assert np.abs(mean.numpy() - np.sin(new)).max() < 0.2

# The same curve's strongest frequency, and the plane that fits a cloud of points.
real, imaginary = ops.rfft(np.sin(2 * np.pi * 5 * np.arange(64) / 64))
assert int(ops.argmax(ops.hypot(real, imaginary))) == 5
points = rng.normal(size=(50, 3)) @ np.diag([3.0, 1.0, 0.01])
u, s, vt = ops.svd(points - points.mean(0), full_matrices=False)
assert abs(float(vt[2, 2])) > 0.99
