"""The shapes of convolutions in real networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Conv(NamedTuple):
    """A square convolution: batch, input side and channels, filters, window, stride, padding."""

    name: str
    batch: int
    side: int
    channels: int
    filters: int
    window: int
    stride: int = 1
    padding: int = 0

    @property
    def out(self) -> int:
        return (self.side + 2 * self.padding - self.window) // self.stride + 1

    @property
    def flops(self) -> int:
        """Of any one of forward, input gradient and weight gradient."""
        return 2 * self.batch * self.out**2 * self.filters * self.channels * self.window**2

    def scaled(self) -> Conv:
        """The same geometry, small enough to emulate."""
        side = max(self.window, min(self.side, 2 * self.window + 1)) + self.stride
        return self._replace(batch=1, side=side, channels=min(self.channels, 5), filters=min(self.filters, 6))


LENET = [Conv("LeNet-5 conv1", 128, 28, 1, 6, 5, padding=2), Conv("LeNet-5 conv2", 128, 14, 6, 16, 5)]
CIFAR_RESNET = [
    Conv("ResNet-20 stem", 128, 32, 3, 16, 3, padding=1),
    Conv("ResNet-20 16", 128, 32, 16, 16, 3, padding=1),
    Conv("ResNet-20 16→32", 128, 32, 16, 32, 3, 2, 1),
    Conv("ResNet-20 32", 128, 16, 32, 32, 3, padding=1),
    Conv("ResNet-20 64", 128, 8, 64, 64, 3, padding=1),
]
RESNET50 = [
    Conv("ResNet-50 stem", 32, 224, 3, 64, 7, 2, 3),
    Conv("ResNet-50 64 3x3", 32, 56, 64, 64, 3, padding=1),
    Conv("ResNet-50 64→256 1x1", 32, 56, 64, 256, 1),
    Conv("ResNet-50 256→64 1x1", 32, 56, 256, 64, 1),
    Conv("ResNet-50 128 3x3", 32, 28, 128, 128, 3, padding=1),
    Conv("ResNet-50 256 3x3 /2", 32, 28, 256, 256, 3, 2, 1),
    Conv("ResNet-50 1024→256 1x1", 32, 14, 1024, 256, 1),
    Conv("ResNet-50 512 3x3", 32, 7, 512, 512, 3, padding=1),
]
# The layers of github.com/soumith/convnet-benchmarks.
CONVNET_BENCHMARKS = [
    Conv("L1 3→96 k11", 128, 128, 3, 96, 11),
    Conv("L2 64→128 k9", 128, 64, 64, 128, 9),
    Conv("L3 128→128 k9", 128, 32, 128, 128, 9),
    Conv("L4 128→128 k7", 128, 16, 128, 128, 7),
    Conv("L5 384→384 k3", 128, 13, 384, 384, 3),
]
ALEXNET = [
    Conv("AlexNet conv1", 128, 224, 3, 64, 11, 4, 2),
    Conv("AlexNet conv2", 128, 27, 64, 192, 5, padding=2),
    Conv("AlexNet conv3", 128, 13, 192, 384, 3, padding=1),
    Conv("AlexNet conv4", 128, 13, 384, 256, 3, padding=1),
    Conv("AlexNet conv5", 128, 13, 256, 256, 3, padding=1),
]
VGG_A = [
    Conv("VGG-A conv1", 64, 224, 3, 64, 3, padding=1),
    Conv("VGG-A conv2", 64, 112, 64, 128, 3, padding=1),
    Conv("VGG-A conv3", 64, 56, 128, 256, 3, padding=1),
    Conv("VGG-A conv4", 64, 56, 256, 256, 3, padding=1),
    Conv("VGG-A conv5", 64, 28, 256, 512, 3, padding=1),
    Conv("VGG-A conv6", 64, 28, 512, 512, 3, padding=1),
    Conv("VGG-A conv7", 64, 14, 512, 512, 3, padding=1),
]


def all_convs() -> Iterator[Conv]:
    """Every shape, small networks first."""
    for family in (LENET, CIFAR_RESNET, RESNET50, ALEXNET, CONVNET_BENCHMARKS, VGG_A):
        yield from family


# m, n, k of the matrix products in an MLP, a transformer and a square case.
MATMULS = [(50, 128, 784), (128, 512, 784), (4096, 4096, 4096), (8192, 1024, 4096), (512, 32000, 1024)]
