"""ResNet-20 on CIFAR-10, written as a functional model: `python -m examples.resnet20_cifar10 --data FOLDER`.

K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", arXiv:1512.03385, section 4.2: three
stages of three blocks, shortcuts without parameters, SGD with momentum, images shifted and mirrored at random.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

import gpunet
from gpunet import callbacks, layers, ops, optimizers, regularizers
from gpunet.datasets import cifar10

_DECAY = 5e-5  # l2(5e-5) has the gradient of the paper's weight decay of 1e-4


def convolution(x: Any, filters: int, strides: int = 1) -> Any:
    """A 3×3 convolution without bias, and batch normalisation."""
    penalty = regularizers.L2(_DECAY)
    kernel = {"kernel_initializer": "he_normal", "kernel_regularizer": penalty}
    x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False, **kernel)(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def shortcut(x: Any, filters: int, strides: int) -> Any:
    """The input itself; where a stage begins, every second pixel of it between channels of zeros."""
    if strides == 1:
        return x
    zeros = (filters - x.shape[-1]) // 2
    return ops.pad(x[:, ::strides, ::strides], ((0, 0), (0, 0), (0, 0), (zeros, zeros)))


def block(x: Any, filters: int, strides: int) -> Any:
    """Two convolutions, and the input added to what they make."""
    y = layers.ReLU()(convolution(x, filters, strides))
    y = convolution(y, filters)
    return layers.ReLU()(layers.Add()([y, shortcut(x, filters, strides)]))


def resnet(blocks_per_stage: int = 3) -> gpunet.Model:
    """A network of 6·n + 2 layers from images (32, 32, 3) to ten logits: ResNet-20 for n = 3."""
    images = layers.Input((32, 32, 3))
    x = layers.ReLU()(convolution(images, 16))
    for stage, filters in enumerate((16, 32, 64)):
        for i in range(blocks_per_stage):
            x = block(x, filters, strides=2 if stage and i == 0 else 1)
    x = layers.GlobalAveragePooling2D()(x)
    logits = layers.Dense(10, kernel_initializer="he_normal")(x)
    return gpunet.Model(images, logits, name=f"resnet{6 * blocks_per_stage + 2}")


def load_images(folder: str | None, limit: int | None) -> tuple[tuple, tuple]:
    """Training and test images, at most `limit` of each, every channel standardised, with their labels."""
    (x, y), (x_test, y_test) = ((images[:limit], labels[:limit]) for images, labels in cifar10.load_data(folder))
    mean, deviation = x.mean((0, 1, 2)), x.std((0, 1, 2))

    def standardised(images):
        return ((images - mean) / deviation).astype(np.float32)

    return (standardised(x), y), (standardised(x_test), y_test)


def augmented(x: np.ndarray, y: np.ndarray, batch_size: int, seed: int) -> Iterator[tuple]:
    """Batches without end, every image mirrored with probability ½ and shifted by up to 4 pixels each way."""
    rng = np.random.default_rng(seed)
    padded = np.pad(x, ((0, 0), (4, 4), (4, 4), (0, 0)))
    while True:
        order = rng.permutation(len(x))
        for i in range(0, len(x) - batch_size + 1, batch_size):
            chosen = order[i : i + batch_size]
            yield np.stack([_cropped(padded[j], rng) for j in chosen]), y[chosen]


def _cropped(padded: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    top, left = rng.integers(0, 9, 2)
    image = padded[top : top + 32, left : left + 32]
    return image[:, ::-1] if rng.random() < 0.5 else image


class StepDecay(callbacks.Callback):
    """A tenth of the learning rate from half of the epochs on, and a hundredth from three quarters on."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.initial = float(self.model.optimizer.learning_rate)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        done = epoch / self.params["epochs"]
        self.model.optimizer.learning_rate = self.initial * (1 if done < 0.5 else 0.1 if done < 0.75 else 0.01)


def train(options: argparse.Namespace) -> callbacks.History:
    """Train as the options say, with a progress bar, and return the history."""
    gpunet.set_random_seed(options.seed)
    (x, y), test = load_images(options.data, options.limit)
    batch_size = min(options.batch_size, len(x))
    model = resnet()
    model.compile(
        optimizers.SGD(options.learning_rate, momentum=0.9),
        gpunet.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    print(f"{model.name}: {model.count_params():,} weights, {len(x)} training and {len(test[0])} test images")
    return model.fit(
        augmented(x, y, batch_size, options.seed),
        epochs=options.epochs,
        steps_per_epoch=len(x) // batch_size,
        validation_data=test,
        validation_batch_size=500,
        callbacks=[StepDecay()],
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description="Train ResNet-20 on CIFAR-10.")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the images; the paper's are 164")
    parser.add_argument("--limit", type=int, help="train and test on so many images each (default: all)")
    parser.add_argument("--batch-size", type=int, default=128, help="images per update (default: 128)")
    parser.add_argument("--learning-rate", type=float, default=0.1, help="at the beginning (default: 0.1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order and shifts (default: 0)")
    parser.add_argument("--data", metavar="FOLDER", help="with CIFAR-10's binary batches (default: GPUNET_DATA)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    train(parse())
