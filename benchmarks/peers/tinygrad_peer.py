"""tinygrad: steps under TinyJit."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinygrad import Tensor, TinyJit, nn
from tinygrad.helpers import Context

from benchmarks.networks import BatchNorm, Conv, Dense, GlobalAverage, MaxPool, Network, walk
from benchmarks.peers.task import Mode, Work


def set_up(mode: Mode) -> None:
    """Raises where tinygrad finds no compiler for its device."""
    Tensor([1.0]).realize()


def _stack(layers: tuple, shape: tuple[int, ...]) -> list[Any]:
    """A list of callables and modules, as tinygrad's models are written."""
    found: list[Any] = []
    for layer in layers:
        found += _modules(layer, shape)
        shape = walk([layer], shape)[0]
    return found


class _Residual:
    def __init__(self, body: list[Any], shortcut: list[Any]):
        self.body, self.shortcut = body, shortcut

    def __call__(self, x: Tensor) -> Tensor:
        return (x.sequential(self.body) + x.sequential(self.shortcut)).relu()


def _modules(layer: Any, shape: tuple[int, ...]) -> list[Any]:
    relu = [Tensor.relu] if getattr(layer, "relu", False) else []
    pad = (layer.window - 1) // 2 if getattr(layer, "same", False) else 0
    if isinstance(layer, Dense):
        return [lambda x: x.flatten(1), nn.Linear(int(np.prod(shape)), layer.units), *relu]
    if isinstance(layer, Conv):
        return [nn.Conv2d(shape[-1], layer.filters, layer.window, layer.stride, pad, bias=layer.bias), *relu]
    if isinstance(layer, MaxPool):
        return [lambda x: x.max_pool2d((layer.window,) * 2, layer.stride, padding=pad)]
    if isinstance(layer, BatchNorm):
        return [nn.BatchNorm(shape[-1]), *relu]
    if isinstance(layer, GlobalAverage):
        return [lambda x: x.mean((2, 3))]
    return [_Residual(_stack(layer.body, shape), _stack(layer.shortcut, shape))]


def _images(net: Network, x: np.ndarray) -> Tensor:
    return Tensor(x.transpose(0, 3, 1, 2).copy() if len(net.shape) == 3 else x).realize()


def parameters(net: Network) -> int:
    """Trainable numbers of the built network."""
    return sum(int(np.prod(p.shape)) for p in _trainable(_stack(net.layers, net.shape)))


def _trainable(model: list[Any]) -> list[Tensor]:
    moving = ("running_mean", "running_var", "num_batches_tracked")
    return [p for name, p in nn.state.get_state_dict(model).items() if not name.endswith(moving)]


def training(net: Network, x: np.ndarray, y: np.ndarray, batch: int, mode: Mode) -> Work:
    """Forward, backward and Adam."""
    model = _stack(net.layers, net.shape)
    data, labels = _images(net, x), Tensor(y).realize()
    optimizer = nn.optim.Adam(_trainable(model))

    @TinyJit
    def step() -> Tensor:
        optimizer.zero_grad()
        loss = data.sequential(model).sparse_categorical_crossentropy(labels).backward()
        return loss.realize(*optimizer.schedule_step())

    def run() -> None:
        with Context(TRAINING=1):
            step().item()

    return Work(run)


def inference(net: Network, x: np.ndarray, mode: Mode) -> Work:
    """The outputs for a batch."""
    model, data = _stack(net.layers, net.shape), _images(net, x)
    forward = TinyJit(lambda x: x.sequential(model).realize())
    return Work(lambda: forward(data).numpy())
