"""The networks that are measured, as plain descriptions that every library's peer builds: equal work for all.

Images are (height, width, channels). "same" pads (window − 1) / 2 on both sides, or as the library pads: as many FLOPs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Dense(NamedTuple):
    """A fully connected layer, with bias; it flattens images."""

    units: int
    relu: bool = False


class Conv(NamedTuple):
    """A square convolution."""

    filters: int
    window: int
    stride: int = 1
    same: bool = True
    relu: bool = False
    bias: bool = True


class BatchNorm(NamedTuple):
    """Batch normalisation over the channels."""

    relu: bool = False


class MaxPool(NamedTuple):
    """Max pooling; "valid" unless `same`."""

    window: int
    stride: int
    same: bool = False


class GlobalAverage(NamedTuple):
    """The mean over height and width, or over steps."""


class Embedding(NamedTuple):
    """A vector for each of the tokens; the first layer of a network on (steps,) of them."""

    tokens: int
    width: int


class Encoder(NamedTuple):
    """A transformer's block on (steps, width): attention, then two dense layers with an exact GELU between them.

    Each adds its input and is followed by a layer normalisation (Vaswani et al., arXiv:1706.03762, section 3.1).
    """

    heads: int
    hidden: int


class Recurrent(NamedTuple):
    """An LSTM, of 4 gates, or a GRU, of 3, along (steps, features); its last output goes on."""

    units: int
    gates: int

    @property
    def biases(self) -> int:
        """For each unit and gate: a GRU's product with the state has one of its own."""
        return 1 if self.gates == 4 else 2


class Residual(NamedTuple):
    """relu(body(x) + shortcut(x)); an empty shortcut is the identity."""

    body: tuple
    shortcut: tuple = ()


class Network(NamedTuple):
    """A classifier: its name, the shape of one sample, the layers, and the batch at which it is trained."""

    name: str
    shape: tuple[int, ...]
    layers: tuple
    batch: int
    resident: bool = True  # small enough that one process of each library can keep it in memory

    @property
    def tokens(self) -> int | None:
        """How many tokens samples are made of, None where they are made of real numbers."""
        return getattr(self.layers[0], "tokens", None)

    @property
    def classes(self) -> int:
        return self.layers[-1].units

    @property
    def flops(self) -> int:
        """Of a forward pass of one sample: matrix products and convolutions, a multiply-add as two."""
        return walk(self.layers, self.shape)[1]

    @property
    def parameters(self) -> int:
        """Trainable numbers."""
        return walk(self.layers, self.shape)[2]

    def training_flops(self, batch: int) -> int:
        """Forward, and both gradients of every product but the first layer's input gradient, which nobody needs."""
        layer = self.layers[0]
        first = walk([layer], self.shape)[1]
        if isinstance(layer, Recurrent):
            first = first * self.shape[1] // (self.shape[1] + layer.units)
        return batch * (3 * self.flops - first)


def walk(layers: Sequence, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
    """Output shape, FLOPs and parameters."""
    flops = parameters = 0
    for layer in layers:
        shape, f, p = _one(layer, shape)
        flops, parameters = flops + f, parameters + p
    return shape, flops, parameters


def _one(layer: Any, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
    if isinstance(layer, Dense):
        n = shape[0] if len(shape) == 1 else shape[0] * shape[1] * shape[2]
        return (layer.units,), 2 * n * layer.units, (n + 1) * layer.units
    if isinstance(layer, Recurrent):
        (steps, n), wide = shape, layer.gates * layer.units
        return (layer.units,), 2 * steps * (n + layer.units) * wide, (n + layer.units + layer.biases) * wide
    if isinstance(layer, Embedding):
        return (*shape, layer.width), 0, layer.tokens * layer.width
    if isinstance(layer, Encoder):
        return shape, *_encoder(layer, *shape)
    if isinstance(layer, GlobalAverage):
        return shape[-1:], 0, 0
    h, w, c = shape
    if isinstance(layer, Conv):
        h, w = (outputs(n, layer) for n in (h, w))
        weights = layer.window**2 * c * layer.filters
        return (h, w, layer.filters), 2 * h * w * weights, weights + layer.bias * layer.filters
    if isinstance(layer, MaxPool):
        return (outputs(h, layer), outputs(w, layer), c), 0, 0
    if isinstance(layer, BatchNorm):
        return shape, 0, 2 * c
    out, f, p = walk(layer.body, shape)
    _, f2, p2 = walk(layer.shortcut, shape)
    return out, f + f2, p + p2


def _encoder(layer: Encoder, steps: int, width: int) -> tuple[int, int]:
    """FLOPs and parameters."""
    kernels, biases = 4 * width**2 + 2 * width * layer.hidden, 5 * width + layer.hidden
    return 2 * steps * (kernels + 2 * steps * width), kernels + biases + 4 * width


def outputs(size: int, layer: Conv | MaxPool) -> int:
    """The output's side for an input's side."""
    return -(-size // layer.stride) if layer.same else (size - layer.window) // layer.stride + 1


def mlp(*units: int, batch: int, inputs: int = 784) -> Network:
    """Dense layers with ReLU between them."""
    layers = [Dense(n, relu=True) for n in units[:-1]] + [Dense(units[-1])]
    return Network("MLP " + "-".join(map(str, (inputs, *units))), (inputs,), tuple(layers), batch)


def resnet(depth: int, width: int = 16, side: int = 32, batch: int = 64) -> Network:
    """A ResNet for CIFAR-10 of 6n + 2 layers (He et al. 2015, section 4.2), projecting where the shape changes."""
    layers: list[Any] = [Conv(width, 3, bias=False), BatchNorm(relu=True)]
    for stage in range(3):
        for block in range((depth - 2) // 6):
            filters, stride = width * 2**stage, 2 if stage and not block else 1
            body = (
                Conv(filters, 3, stride, bias=False),
                BatchNorm(relu=True),
                Conv(filters, 3, bias=False),
                BatchNorm(),
            )
            layers.append(Residual(body, (Conv(filters, 1, stride, bias=False),) if stride == 2 else ()))
    return Network(f"ResNet-{depth}", (side, side, 3), (*layers, GlobalAverage(), Dense(10)), batch)


def _resnet50() -> Network:
    layers: list[Any] = [Conv(64, 7, 2, bias=False), BatchNorm(relu=True), MaxPool(3, 2, same=True)]
    for stage, blocks in enumerate((3, 4, 6, 3)):
        n = 64 * 2**stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            body: list[Any] = [Conv(n, 1, bias=False), BatchNorm(relu=True), Conv(n, 3, stride, bias=False)]
            body += [BatchNorm(relu=True), Conv(4 * n, 1, bias=False), BatchNorm()]
            shortcut = () if block else (Conv(4 * n, 1, stride, bias=False), BatchNorm())
            layers.append(Residual(tuple(body), shortcut))
    return Network("ResNet-50", (224, 224, 3), (*layers, GlobalAverage(), Dense(1000)), 8, resident=False)


def _lenet5() -> Network:
    convs = (Conv(6, 5, relu=True), MaxPool(2, 2), Conv(16, 5, same=False, relu=True), MaxPool(2, 2))
    return Network("LeNet-5", (28, 28, 1), (*convs, Dense(120, relu=True), Dense(84, relu=True), Dense(10)), 128)


def _alexnet() -> Network:
    """One tower, as in convnet-benchmarks (Krizhevsky 2014), on 227 × 227 pixels in place of a padding of 2."""
    convs: list[Any] = [Conv(64, 11, 4, same=False, relu=True), MaxPool(3, 2), Conv(192, 5, relu=True), MaxPool(3, 2)]
    convs += [Conv(384, 3, relu=True), Conv(256, 3, relu=True), Conv(256, 3, relu=True), MaxPool(3, 2)]
    dense = (Dense(4096, relu=True), Dense(4096, relu=True), Dense(1000))
    return Network("AlexNet", (227, 227, 3), (*convs, *dense), 16, resident=False)


def _vgg_a() -> Network:
    layers: list[Any] = []
    for filters, convs in ((64, 1), (128, 1), (256, 2), (512, 2), (512, 2)):
        layers += [Conv(filters, 3, relu=True)] * convs + [MaxPool(2, 2)]
    layers += [Dense(4096, relu=True), Dense(4096, relu=True), Dense(1000)]
    return Network("VGG-A", (224, 224, 3), tuple(layers), 4, resident=False)


MLP = mlp(128, 10, batch=50)
WIDE_MLP = mlp(512, 512, 10, batch=128)
LENET5 = _lenet5()
RESNET20 = resnet(20)
SMALL = {"mlp": MLP, "wide-mlp": WIDE_MLP, "lenet5": LENET5, "resnet20": RESNET20}
LARGE = {"resnet50": _resnet50(), "alexnet": _alexnet(), "vgg-a": _vgg_a()}
LSTM = Network("LSTM 128, 50 steps", (50, 128), (Recurrent(128, gates=4), Dense(10)), 32)
GRU = Network("GRU 128, 50 steps", (50, 128), (Recurrent(128, gates=3), Dense(10)), 32)
RECURRENT = {"lstm": LSTM, "gru": GRU}
_BLOCKS = (Encoder(heads=4, hidden=512), Encoder(heads=4, hidden=512))
TRANSFORMER = Network(
    "Transformer, 2 blocks of 128", (64,), (Embedding(1000, 128), *_BLOCKS, GlobalAverage(), Dense(10)), 32
)
ATTENTION = {"transformer": TRANSFORMER}
NETWORKS = SMALL | RECURRENT | ATTENTION | LARGE
