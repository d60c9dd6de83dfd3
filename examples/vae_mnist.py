"""A variational autoencoder of handwritten digits: `python -m examples.vae_mnist --data FOLDER`.

D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", arXiv:1312.6114. The model has its own `train_step`: the
loss is the cross-entropy of the pixels plus the divergence of the codes from a standard normal distribution.
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import numpy as np

import gpunet
from examples.images import load_images, mean_image_error, save_rows
from gpunet import layers, losses, metrics, ops, random


class Result(NamedTuple):
    """What training gave: logs of all epochs, mean squared errors on the test images, and 16 images from noise."""

    history: dict[str, list[float]]
    error: float
    baseline: float
    samples: np.ndarray


class Sampling(layers.Layer):
    """(mean, log variance), both (batch, codes) → a normal code with them, through which gradients flow."""

    def __init__(self, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs: Any) -> Any:
        mean, log_variance = inputs
        return mean + ops.exp(0.5 * log_variance) * random.normal(ops.shape(mean), seed=self.seed_generator)


def make_encoder(codes: int) -> gpunet.Model:
    """Images (28, 28, 1) → mean, log variance and sample of the code."""
    images = layers.Input((28, 28, 1))
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(images)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    mean, log_variance = layers.Dense(codes, name="mean")(x), layers.Dense(codes, name="log_variance")(x)
    return gpunet.Model(images, [mean, log_variance, Sampling()([mean, log_variance])], name="encoder")


def make_decoder(codes: int) -> gpunet.Model:
    """Codes → images (28, 28, 1)."""
    inputs = layers.Input((codes,))
    x = layers.Reshape((7, 7, 32))(layers.Dense(7 * 7 * 32, activation="relu")(inputs))
    x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(x)
    return gpunet.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x), name="decoder")


class VariationalAutoencoder(gpunet.Model):
    """An encoder and a decoder, trained together."""

    def __init__(self, codes: int = 8, **kwargs: Any):
        super().__init__(**kwargs)
        self.encoder, self.decoder = make_encoder(codes), make_decoder(codes)
        self.trackers = [metrics.Mean(name=name) for name in ("loss", "reconstruction_loss", "kl_loss")]

    @property
    def metrics(self) -> list:
        return self.trackers

    def call(self, inputs: Any) -> Any:
        """The images that the means of the codes stand for."""
        return self.decoder(self.encoder(inputs)[0])

    def total_loss(self, images: Any) -> list:
        """The loss of a batch and its two parts, per image."""
        mean, log_variance, code = self.encoder(images)
        pixels = losses.binary_crossentropy(images, self.decoder(code))  # (batch, 28, 28)
        reconstruction = ops.mean(ops.sum(pixels, axis=(1, 2)))
        divergence = -0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance))
        kl = ops.mean(ops.sum(divergence, axis=1))
        return [reconstruction + kl, reconstruction, kl]

    def train_step(self, data: Any) -> dict:
        """One update from a batch of images."""
        with gpunet.GradientTape() as tape:
            values = self.total_loss(data)
        gradients = tape.gradient(values[0], self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights))
        return self.tracked(values)

    def test_step(self, data: Any) -> dict:
        """The losses of a batch of images."""
        return self.tracked(self.total_loss(data))

    def tracked(self, values: list) -> dict:
        """The means so far, by name."""
        for tracker, value in zip(self.trackers, values):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


def train(options: argparse.Namespace) -> Result:
    """Train as the options say, and save reconstructions, and images decoded from noise."""
    gpunet.set_random_seed(options.seed)
    images, test = load_images(options.data, options.limit)
    model = VariationalAutoencoder(options.codes)
    model.compile(optimizer="adam")
    history = model.fit(images, batch_size=options.batch_size, epochs=options.epochs)
    rebuilt = model.predict(test, batch_size=500, verbose=0)
    samples = model.decoder.predict(random.normal((16, options.codes), seed=options.seed).numpy(), verbose=0)
    error = float(np.mean(np.square(rebuilt - test)))
    result = Result(history.history, error, mean_image_error(images, test), samples)
    print(
        f"mean squared error on {len(test)} test images: {result.error:.4f}; of the mean image: {result.baseline:.4f}"
    )
    if options.output:
        names = ("test images", f"rebuilt from {options.codes} numbers each", "decoded from noise")
        save_rows(options.output, dict(zip(names, (test[:16], rebuilt[:16], samples))))
        print(f"pictures: {options.output}")
    return result


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description="Train a variational autoencoder on MNIST.")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the images (default: 5)")
    parser.add_argument("--limit", type=int, help="train and test on so many images each (default: all)")
    parser.add_argument("--batch-size", type=int, default=128, help="images per update (default: 128)")
    parser.add_argument("--codes", type=int, default=8, help="numbers that stand for an image (default: 8)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order and noise (default: 0)")
    parser.add_argument("--data", metavar="FOLDER", help="with MNIST's files (default: GPUNET_DATA, else a download)")
    parser.add_argument("--output", default="vae.png", help='the picture, "" for none')
    return parser.parse_args(arguments)


if __name__ == "__main__":
    train(parse())
