"""PyTorch's first tutorial, by hand: fit sin(x) with a cubic, two layers with manual SGD."""

import math

import numpy as np

import gpunet
from gpunet import ops

x = np.linspace(-math.pi, math.pi, 2000, dtype="float32")
y = np.sin(x)

a, b, c, d = (gpunet.Variable(0.0) for _ in range(4))
learning_rate = 1e-6
for t in range(1500):
    with gpunet.GradientTape() as tape:
        y_pred = a + b * x + c * x**2 + d * x**3
        loss = ((y_pred - y) ** 2).sum()
    if t % 500 == 99:
        print(t, loss.item())
    for variable, gradient in zip((a, b, c, d), tape.gradient(loss, (a, b, c, d))):
        variable.assign_sub(learning_rate * gradient)
assert loss < 60
fitted = np.polynomial.polynomial.polyfit(x, y, 3)
assert abs(b.numpy() - fitted[1]) < 0.15

rng = np.random.default_rng(0)
w1 = gpunet.Variable(rng.normal(0, 0.3, (20, 30)).astype("float32"))
w2 = gpunet.Variable(rng.normal(0, 0.3, (30, 4)).astype("float32"))
inputs, targets = rng.normal(size=(64, 20)).astype("float32"), rng.normal(size=(64, 4)).astype("float32")
losses = []
for _ in range(200):
    with gpunet.GradientTape() as tape:
        h = ops.maximum(inputs @ w1, 0)
        loss = ops.mean((h @ w2 - targets) ** 2)
    g1, g2 = tape.gradient(loss, [w1, w2])
    w1.assign_sub(0.1 * g1)
    w2.assign(w2 - 0.1 * g2)
    losses.append(float(loss))
assert losses[-1] < 0.5 * losses[0]
