"""PyTorch: eager, tuned (fused Adam, channels_last images) or as it comes; torch.compile; a step in a CUDA graph.

Eager steps take the same batch again and again, but for "shuffled": a new random one of the data each, as `fit` does.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.networks import (
    BatchNorm,
    Conv,
    Dense,
    Embedding,
    Encoder,
    GlobalAverage,
    MaxPool,
    Network,
    Recurrent,
    Residual,
    walk,
)
from benchmarks.peers.task import CHAIN, Mode, Work, conv_arrays, op_arrays


def set_up(mode: Mode) -> None:
    """As many threads as cores; on a GPU the same float32 arithmetic as gpunet's."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    if mode.device == "gpu":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        torch.zeros(1, device="cuda")  # raises here where there is no GPU


def _place(mode: Mode) -> str:
    return "cuda" if mode.device == "gpu" else "cpu"


def _finished(function: Any, mode: Mode) -> Any:
    if mode.device == "cpu":
        return function

    def finished() -> None:
        function()
        torch.cuda.synchronize()

    return finished


class _Residual(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Any) -> Any:
        return F.relu(self.body(x) + self.shortcut(x))


class _Recurrent(nn.Module):
    def __init__(self, layer: Recurrent, features: int):
        super().__init__()
        self.rnn = (nn.LSTM if layer.gates == 4 else nn.GRU)(features, layer.units, batch_first=True)
        self.surplus = (2 - layer.biases) * layer.gates * layer.units  # PyTorch's LSTM has two biases as well

    def forward(self, x: Any) -> Any:
        return self.rnn(x)[0][:, -1]


class _MeanOfSteps(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.mean(1)


def build(net: Network) -> nn.Module:
    """The network as a module; images are (n, c, h, w)."""
    return _stack(net.layers, net.shape)[0]


def _stack(layers: tuple, shape: tuple[int, ...]) -> tuple[nn.Module, tuple[int, ...]]:
    modules: list[nn.Module] = []
    for layer in layers:
        modules += _modules(layer, shape)
        shape = walk([layer], shape)[0]
    return nn.Sequential(*modules), shape


def _modules(layer: Any, shape: tuple[int, ...]) -> list[nn.Module]:
    relu = [nn.ReLU()] if getattr(layer, "relu", False) else []
    pad = (layer.window - 1) // 2 if getattr(layer, "same", False) else 0
    if isinstance(layer, Dense):
        flatten = [nn.Flatten()] if len(shape) > 1 else []
        return [*flatten, nn.Linear(int(np.prod(shape)), layer.units), *relu]
    if isinstance(layer, Recurrent):
        return [_Recurrent(layer, shape[1])]
    if isinstance(layer, Conv):
        return [nn.Conv2d(shape[-1], layer.filters, layer.window, layer.stride, pad, bias=layer.bias), *relu]
    if isinstance(layer, MaxPool):
        return [nn.MaxPool2d(layer.window, layer.stride, pad)]
    if isinstance(layer, BatchNorm):
        return [nn.BatchNorm2d(shape[-1]), *relu]
    if isinstance(layer, GlobalAverage):
        return [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if len(shape) == 3 else [_MeanOfSteps()]
    if isinstance(layer, Embedding):
        return [nn.Embedding(layer.tokens, layer.width)]
    if isinstance(layer, Encoder):
        how: Any = {"dropout": 0.0, "activation": "gelu", "batch_first": True}
        return [nn.TransformerEncoderLayer(shape[-1], layer.heads, layer.hidden, **how)]
    assert isinstance(layer, Residual)
    shortcut = _stack(layer.shortcut, shape)[0] if layer.shortcut else nn.Identity()
    return [_Residual(_stack(layer.body, shape)[0], shortcut)]


def parameters(net: Network) -> int:
    """Trainable numbers of the built network."""
    built = build(net)
    return sum(p.numel() for p in built.parameters()) - sum(getattr(m, "surplus", 0) for m in built.modules())


def _placed(net: Network, x: np.ndarray, mode: Mode) -> tuple[nn.Module, torch.Tensor]:
    model, data = build(net).to(_place(mode)), torch.from_numpy(x).to(_place(mode))
    if len(net.shape) == 3 and mode.how == "default":
        data = data.permute(0, 3, 1, 2).contiguous()
    elif len(net.shape) == 3:
        model = model.to(memory_format=torch.channels_last)
        data = data.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return model, data


def training(net: Network, x: np.ndarray, y: np.ndarray, batch: int, mode: Mode) -> Work:
    """Forward, backward and Adam."""
    model, data = _placed(net, x, mode)
    labels = torch.from_numpy(y.astype("int64")).to(_place(mode))
    fused = None if mode.how == "default" else True
    optimizer = torch.optim.Adam(model.parameters(), fused=fused, capturable=mode.how == "graph")
    forward = torch.compile(model) if mode.how == "compile" else model

    def step(x: Any = data, y: Any = labels) -> None:
        optimizer.zero_grad()
        F.cross_entropy(forward(x), y).backward()
        optimizer.step()

    def epoch() -> None:
        for which in torch.randperm(len(data), device=data.device).split(batch):
            step(data[which], labels[which])

    if mode.how == "shuffled":
        return Work(_finished(epoch, mode), len(data) // batch, lambda: step(data[:batch], labels[:batch]))
    return Work(_finished(_captured(step) if mode.how == "graph" else step, mode))


def inference(net: Network, x: np.ndarray, mode: Mode) -> Work:
    """The network's outputs for a batch, in inference mode."""
    model, data = _placed(net, x, mode)
    model.eval()
    forward = torch.compile(model) if mode.how == "compile" else model

    def run() -> None:
        with torch.inference_mode():
            forward(data)

    return Work(_finished(_captured(run) if mode.how == "graph" else run, mode))


def _captured(step: Any) -> Any:
    """The step as a replay of a CUDA graph, after three on a side stream."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def convolution(shape: dict[str, int], part: str, mode: Mode) -> Work:
    """Forward, or backward: the gradients of both operands; in channels_last."""

    def images(a: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(a).to(_place(mode)).permute(0, 3, 1, 2)

    x, kernel, g = conv_arrays(shape)
    xs, gs = images(x), images(g)
    w = torch.from_numpy(kernel).to(_place(mode)).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    geometry: Any = (None, [shape["stride"]] * 2, [shape["padding"]] * 2, [1, 1], False, [0, 0], 1)
    backward = torch.ops.aten.convolution_backward

    def run() -> None:
        with torch.inference_mode():
            if part == "backward":
                backward(gs, xs, w, *geometry, [True, True, False])
            else:
                F.conv2d(xs, w, stride=shape["stride"], padding=shape["padding"])

    return Work(_finished(run, mode))


def product(size: int, mode: Mode) -> Work:
    """A square float32 matrix product."""
    a = torch.ones(size, size, device=_place(mode))
    return Work(_finished(lambda: a @ a, mode))


def chain(mode: Mode) -> Work:
    """Small ops one after the other, forward and backward; a step is one op."""
    x = torch.ones(8, requires_grad=True)

    def run() -> Any:
        y = x
        for _ in range(CHAIN // 2):
            y = torch.tanh(y * x)
        return torch.autograd.grad(y, x, torch.ones(8))

    return Work(run, CHAIN)


def operation(name: str, mode: Mode) -> Work:
    """One op of `OPS`."""
    t = {key: torch.from_numpy(a).to(_place(mode)) for key, a in op_arrays().items()}
    a, b, row, labels = t["a"], t["b"], t["row"], t["labels"].long()
    images = t["images"].permute(0, 3, 1, 2)
    kernel = t["kernel"].permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    gain, mean, variance = row[:32], t["zeros"], t["ones"]
    call = {
        "add": lambda: a + b,
        "multiply": lambda: a * b,
        "exp": lambda: torch.exp(a),
        "tanh": lambda: torch.tanh(a),
        "relu": lambda: F.relu(a),
        "sum": lambda: a.sum(),
        "mean_axis0": lambda: a.mean(0),
        "softmax": lambda: torch.softmax(a, -1),
        "transpose_copy": lambda: a.t().contiguous(),
        "matmul": lambda: a @ b,
        "conv": lambda: F.conv2d(images, kernel, padding=1),
        "max_pool": lambda: F.max_pool2d(images, 2),
        "batch_norm": lambda: F.batch_norm(images, mean, variance, gain, gain),
        "layer_norm": lambda: F.layer_norm(a, row.shape, row, row, 1e-3),
        "gelu": lambda: F.gelu(a),
        "crossentropy": lambda: F.cross_entropy(a, labels, reduction="none"),
        "concatenate": lambda: torch.cat([a, b], 1),
        "take": lambda: a.index_select(0, labels),
    }[name]

    def run() -> None:
        with torch.inference_mode():
            call()

    return Work(_finished(run, mode))
