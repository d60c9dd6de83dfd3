"""A convolutional autoencoder of handwritten digits: `python -m examples.autoencoder_mnist --data FOLDER`.

Two convolutions with max pooling turn 784 pixels into a code of 7 × 7 × 4 numbers; a transposed convolution and an
upsampling turn the code into pixels again.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

import gpunet
from examples.images import load_images, mean_image_error, save_rows
from gpunet import layers


class Result(NamedTuple):
    """What training gave: the logs of all epochs, and mean squared errors on the test images."""

    history: dict[str, list[float]]
    error: float
    baseline: float


def autoencoder() -> gpunet.Model:
    """Images (28, 28, 1) → code (7, 7, 4) → images."""
    images = layers.Input((28, 28, 1))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(images)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    code = layers.MaxPooling2D(name="code")(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(code)
    x = layers.UpSampling2D()(x)
    return gpunet.Model(images, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x), name="autoencoder")


def train(options: argparse.Namespace) -> Result:
    """Train as the options say, print the error beside that of a trivial guess, and save reconstructions."""
    gpunet.set_random_seed(options.seed)
    images, test = load_images(options.data, options.limit)
    model = autoencoder()
    model.compile("adam", "binary_crossentropy")
    history = model.fit(
        images, images, batch_size=options.batch_size, epochs=options.epochs, validation_data=(test, test)
    )
    rebuilt = model.predict(test, batch_size=500, verbose=0)
    result = Result(history.history, float(np.mean(np.square(rebuilt - test))), mean_image_error(images, test))
    print(
        f"mean squared error on {len(test)} test images: {result.error:.4f}; of the mean image: {result.baseline:.4f}"
    )
    if options.output:
        save_rows(options.output, {"test images": test[:16], "rebuilt from 196 numbers each": rebuilt[:16]})
        print(f"pictures: {options.output}")
    return result


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description="Train a convolutional autoencoder on MNIST.")
    parser.add_argument("--epochs", type=int, default=3, help="passes over the images (default: 3)")
    parser.add_argument("--limit", type=int, help="train and test on so many images each (default: all)")
    parser.add_argument("--batch-size", type=int, default=128, help="images per update (default: 128)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and order (default: 0)")
    parser.add_argument("--data", metavar="FOLDER", help="with MNIST's files (default: GPUNET_DATA, else a download)")
    parser.add_argument("--output", default="autoencoder.png", help='the picture, "" for none')
    return parser.parse_args(arguments)


if __name__ == "__main__":
    train(parse())
