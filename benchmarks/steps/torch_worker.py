"""`python -m benchmarks.steps.torch_worker CASE`: seconds per eager training step of PyTorch on the CPU."""

from __future__ import annotations

import os
import sys

import numpy as np
import torch
from torch import nn

from benchmarks.steps.timing import report


def mlp():
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), (50, 784)


def lenet5():
    stack = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()]
    stack += [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()]
    return nn.Sequential(*stack, nn.Linear(84, 10)), (128, 1, 28, 28)


def main() -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model, shape = {"mlp": mlp, "lenet5": lenet5}[sys.argv[1]]()
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal(shape, dtype="float32"))
    y = torch.from_numpy(rng.integers(0, 10, shape[0]))
    loss_function = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters())

    def step():
        optimizer.zero_grad()
        loss_function(model(x), y).backward()
        optimizer.step()

    report(step)


if __name__ == "__main__":
    main()
