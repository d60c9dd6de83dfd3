"""The same networks in PyTorch: name → (constructor, shape of a batch)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import relu


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def lenet5() -> nn.Module:
    stack = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()]
    stack += [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()]
    return nn.Sequential(*stack, nn.Linear(84, 10))


class _Block(nn.Module):
    def __init__(self, channels: int, filters: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(*_conv_bn(channels, filters, stride), nn.ReLU(), *_conv_bn(filters, filters, 1))
        project = channels != filters
        self.shortcut = nn.Conv2d(channels, filters, 1, stride, bias=False) if project else nn.Identity()

    def forward(self, x):
        return relu(self.body(x) + self.shortcut(x))


def _conv_bn(channels: int, filters: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters)]


def resnet20() -> nn.Module:
    stack: list[nn.Module] = [*_conv_bn(3, 16, 1), nn.ReLU()]
    channels = 16
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        for block in range(3):
            stack.append(_Block(channels, filters, stride if block == 0 else 1))
            channels = filters
    return nn.Sequential(*stack, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


MODELS = {
    "mlp": (mlp, (50, 784)),
    "lenet5": (lenet5, (128, 1, 28, 28)),
    "resnet20": (resnet20, (64, 3, 32, 32)),
}


def training_step(build: Callable[[], nn.Module], shape: tuple[int, ...], device: str = "cpu") -> Callable[[], None]:
    """A function that does forward, backward and a fused Adam; images in channels_last."""
    model = build().to(device)
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal(shape, dtype="float32")).to(device)
    if len(shape) == 4:
        model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(rng.integers(0, 10, shape[0])).to(device)
    loss_function = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss_function(model(x), y).backward()
        optimizer.step()

    return step
