"""The networks that are timed and compared: name → (constructor, shape of a batch)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import gpunet
from gpunet import layers


def mlp() -> gpunet.Model:
    """784-128-10."""
    return gpunet.Sequential([layers.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(10)])


def lenet5() -> gpunet.Model:
    """LeNet-5 as it is taught today: ReLU and max pooling."""
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
    return gpunet.Sequential(stack)


def resnet20() -> gpunet.Model:
    """ResNet-20 for CIFAR-10 (He et al. 2015, section 4.2), with projections where the shape changes."""
    inputs = layers.Input((32, 32, 3))
    x = _conv_bn(inputs, 16, 1, relu=True)
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        for block in range(3):
            step = strides if block == 0 else 1
            y = _conv_bn(_conv_bn(x, filters, step, relu=True), filters, 1, relu=False)
            if x.shape[-1] != filters:
                x = layers.Conv2D(filters, 1, strides=step, use_bias=False)(x)
            x = layers.ReLU()(layers.Add()([x, y]))
    return gpunet.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def _conv_bn(x, filters: int, strides: int, relu: bool):
    x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if relu else x


MODELS: dict[str, tuple[Callable[[], gpunet.Model], tuple[int, ...]]] = {
    "mlp": (mlp, (50, 784)),
    "lenet5": (lenet5, (128, 28, 28, 1)),
    "resnet20": (resnet20, (64, 32, 32, 3)),
}


def training_step(build: Callable[[], gpunet.Model], shape: tuple[int, ...]) -> Callable[[], None]:
    """A function that does forward, backward and Adam in eager mode, on the default device."""
    model = build()
    rng = np.random.default_rng(0)
    x = gpunet.ops.convert_to_tensor(rng.standard_normal(shape, dtype="float32"))
    y = gpunet.ops.convert_to_tensor(rng.integers(0, 10, shape[0]).astype("int32"))
    loss_function = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = gpunet.optimizers.Adam()

    def step() -> None:
        with gpunet.GradientTape() as tape:
            loss = loss_function(y, model(x, training=True))
        weights = model.trainable_weights
        optimizer.apply(tape.gradient(loss, weights), weights)

    return step
