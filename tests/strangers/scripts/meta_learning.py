"""MAML on sine waves: gradients through an inner gradient step, with weights as plain tensors."""

import numpy as np

import gpunet
from gpunet import ops

rng = np.random.default_rng(0)
shapes = [(1, 20), (20,), (20, 20), (20,), (20, 1), (1,)]
params = [gpunet.Variable(rng.normal(0, 1 / np.sqrt(s[0]), s) if len(s) > 1 else np.zeros(s)) for s in shapes]


def forward(p, x):
    h = ops.tanh(x @ p[0] + p[1])
    h = ops.tanh(h @ p[2] + p[3])
    return h @ p[4] + p[5]


def mse(p, x, y):
    return ops.mean((forward(p, x) - y) ** 2)


def adapted(p, x, y):
    with gpunet.GradientTape() as inner:
        inner.watch([v for v in p if not isinstance(v, gpunet.Variable)])
        loss = mse(p, x, y)
    return [v - 0.05 * g for v, g in zip(p, inner.gradient(loss, list(p)))]


def task():
    amplitude, phase = rng.uniform(0.5, 2), rng.uniform(0, np.pi)
    x = rng.uniform(-3, 3, (2, 10, 1))
    return x, amplitude * np.sin(x + phase)


def score(tasks):
    return np.mean([float(mse(adapted(adapted(params, x[0], y[0]), x[0], y[0]), x[1], y[1])) for x, y in tasks])


held_out = [task() for _ in range(20)]
before = score(held_out)
optimizer = gpunet.optimizers.Adam(0.005)
for _ in range(120):
    with gpunet.GradientTape() as outer:
        loss = 0.0
        for x, y in [task() for _ in range(4)]:
            loss = loss + mse(adapted(params, x[0], y[0]), x[1], y[1])
    optimizer.apply(outer.gradient(loss, params), params)
after = score(held_out)
assert after < 0.7 * before, (before, after)
