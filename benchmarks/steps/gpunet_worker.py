"""`python -m benchmarks.steps.gpunet_worker CASE`: seconds per eager training step of gpunet on the CPU."""

from __future__ import annotations

import sys

import numpy as np

import gpunet
from benchmarks.steps.timing import report
from gpunet import layers, losses, optimizers


def mlp():
    stack = [layers.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(10)]
    return gpunet.Sequential(stack), (50, 784)


def lenet5():
    stack = [
        layers.Input((28, 28, 1)),
        layers.Conv2D(6, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 5, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(120, activation="relu"),
        layers.Dense(84, activation="relu"),
        layers.Dense(10),
    ]
    return gpunet.Sequential(stack), (128, 28, 28, 1)


def main() -> None:
    gpunet.set_default_device("cpu")
    model, shape = {"mlp": mlp, "lenet5": lenet5}[sys.argv[1]]()
    rng = np.random.default_rng(0)
    x = gpunet.Tensor(rng.standard_normal(shape, dtype="float32"))
    y = rng.integers(0, 10, shape[0])
    loss_function = losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = optimizers.Adam()

    def step():
        with gpunet.GradientTape() as tape:
            loss = loss_function(y, model(x, training=True))
        weights = model.trainable_weights
        optimizer.apply(tape.gradient(loss, weights), weights)

    report(step)


if __name__ == "__main__":
    main()
