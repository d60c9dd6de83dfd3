"""The losses of ResNet-20's first steps in PyTorch: `python tests/golden/make_resnet20.py` writes resnet20_losses.json.

Needs PyTorch, and the CIFAR-10 batches in ../shared/data or in the folder GPUNET_DATA. Weights come from NumPy's
RandomState, whose numbers never change; images are the first of the dataset, in its order.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("resnet20_losses.json")
DATA = Path(os.environ.get("GPUNET_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
STEPS, BATCH, DISTINCT = 20, 32, 4  # the first four batches, five times, so that the loss falls
DECAY, EPSILON = 5e-5, 1e-5
# dtype → learning rate and momentum. At those of float64 a training in float32 is chaotic: PyTorch's own losses in
# float32 and float64 differ by several per cent after ten steps.
RATES = {"float64": (0.05, 0.9), "float32": (0.01, 0.5)}
_CONVOLUTIONS = [(3, 16)] + [(16, 16)] * 6 + [(16, 32)] + [(32, 32)] * 5 + [(32, 64)] + [(64, 64)] * 5


def initial_weights() -> list[np.ndarray]:
    """float64 weights in Keras's order and layout: kernel, gamma, beta, moving mean and variance of every pair of
    convolution and batch norm, then kernel and bias of the classifier."""
    random = np.random.RandomState(0)
    weights = []
    for inputs, filters in _CONVOLUTIONS:
        weights.append(random.standard_normal((3, 3, inputs, filters)) * np.sqrt(2 / (9 * inputs)))
        weights += [1 + 0.1 * random.standard_normal(filters), 0.1 * random.standard_normal(filters)]
        weights += [np.zeros(filters), np.ones(filters)]
    return [*weights, random.standard_normal((64, 10)) / 64, np.zeros(10)]


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """For every step images of CIFAR-10 as float32 in [-1, 1], channels last, and their labels (n,)."""
    from gpunet.datasets import cifar10

    (x, y), _ = cifar10.load_data(DATA)
    x = (x[: DISTINCT * BATCH] / 127.5 - 1).astype(np.float32)
    starts = [BATCH * (step % DISTINCT) for step in range(STEPS)]
    return [(x[i : i + BATCH], y[i : i + BATCH, 0].astype(np.int64)) for i in starts]


class TorchResNet20:
    """The network on PyTorch's functions, its parameters copied from Keras's layout."""

    def __init__(self, weights: list[np.ndarray]):
        import torch

        def tensor(array):
            return torch.tensor(array, requires_grad=True)

        values = iter(weights)
        self.stages = []
        for _ in _CONVOLUTIONS:
            kernel, gamma, beta, _, _ = (next(values) for _ in range(5))
            self.stages.append((tensor(kernel.transpose(3, 2, 0, 1).copy()), tensor(gamma), tensor(beta)))
        self.classifier = (tensor(next(values).T.copy()), tensor(next(values)))
        self.parameters = [p for group in [*self.stages, self.classifier] for p in group]

    def convolution(self, x, index: int, strides: int = 1):
        """ "same" as Keras has it: with two strides and an even size there is no padding above and on the left."""
        import torch.nn.functional as F

        kernel, gamma, beta = self.stages[index]
        x = F.pad(x, (0, 1, 0, 1)) if strides == 2 else F.pad(x, (1, 1, 1, 1))
        y = F.conv2d(x, kernel, stride=strides)
        return F.batch_norm(y, None, None, gamma, beta, training=True, eps=EPSILON)

    def loss(self, x, y):
        """Cross-entropy and the penalty of the convolutions' kernels."""
        import torch.nn.functional as F

        x = self.convolution(x, 0).relu()
        for block in range(9):
            strides = 2 if block in (3, 6) else 1
            z = self.convolution(x, 1 + 2 * block, strides).relu()
            z = self.convolution(z, 2 + 2 * block)
            missing = (z.shape[1] - x.shape[1]) // 2
            x = (z + F.pad(x[:, :, ::strides, ::strides], (0, 0, 0, 0, missing, missing))).relu()
        logits = F.linear(x.mean((2, 3)), *self.classifier)
        return F.cross_entropy(logits, y) + DECAY * sum(kernel.square().sum() for kernel, _, _ in self.stages)


def torch_losses(learning_rate: float, momentum: float, steps: int = STEPS) -> list[float]:
    """The losses of the first steps of SGD in float64, each before its update."""
    import torch

    network = TorchResNet20(initial_weights())
    optimizer = torch.optim.SGD(network.parameters, learning_rate, momentum)
    losses = []
    for x, y in batches()[:steps]:
        optimizer.zero_grad()
        loss = network.loss(torch.tensor(x).double().permute(0, 3, 1, 2), torch.tensor(y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({dtype: torch_losses(*rates) for dtype, rates in RATES.items()}, indent=1) + "\n")
