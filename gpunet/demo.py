"""`gpunet demo`: a convolutional network learns to read handwritten digits."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from gpunet import layers, losses, optimizers
from gpunet.backend.devices import CPU, default_device, device
from gpunet.backend.report import describe
from gpunet.datasets import digits
from gpunet.models import Sequential
from gpunet.random import set_random_seed
from gpunet.visualize.predictions import save_predictions


def build_model() -> Sequential:
    """Two convolutions with batch normalisation, dropout, and a classifier of ten digits."""
    return Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10),
        ],
        name="digits",
    )


def load_images() -> tuple[Any, Any]:
    """Training and test digits as float32 images in [0, 1] of shape (n, 8, 8, 1), with their labels."""
    return tuple(((x / 16).astype("float32")[..., None], y) for x, y in digits.load_data())  # type: ignore[return-value]


def train(epochs: int, batch_size: int, seed: int, verbose: int | str = "auto") -> tuple[Sequential, float]:
    """A trained model and the seconds that training took."""
    (x, y), _ = load_images()
    set_random_seed(seed)
    model = build_model()
    model.compile(optimizers.Adam(2e-3), losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    started = time.perf_counter()
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=verbose)
    return model, time.perf_counter() - started


def run_demo(epochs: int, batch_size: int, seed: int, device_name: str | None, output: str) -> None:
    """Train, evaluate, and show what came out; see `gpunet demo --help`."""
    target = default_device() if device_name is None else device(device_name)
    with target:
        print(f"Training on {describe(target)}.")
        model, seconds = train(epochs, batch_size, seed)
        _, (x, y) = load_images()
        predicted = model.predict(x, verbose=0).argmax(axis=-1)
    accuracy = float((predicted == y).mean())
    print(f"\ntest accuracy {accuracy:.4f} on {len(y)} held-out digits, after {seconds:.1f} s of training")
    _print_classes(y, predicted)
    if output:
        _save(output, x, y, predicted, accuracy)
    if target != CPU:
        with CPU:
            print(f"\nTraining on {describe(CPU)}, for comparison.")
            _, cpu_seconds = train(epochs, batch_size, seed)
        print(f"\n{target}: {seconds:.1f} s, cpu: {cpu_seconds:.1f} s")


def _print_classes(labels: np.ndarray, predicted: np.ndarray) -> None:
    """The share of right answers for each digit, with a bar."""
    print("\ndigit   right")
    for digit in range(10):
        mine = labels == digit
        right = int((predicted[mine] == digit).sum())
        share = right / max(1, int(mine.sum()))
        print(f"{digit:5d}   {right:2d} of {int(mine.sum()):2d}   {share:6.1%}  {'█' * round(share * 20)}")


def _save(output: str, x: Any, y: Any, predicted: Any, accuracy: float) -> None:
    title = f"{int((predicted != y).sum())} mistakes in {len(y)} held-out digits (accuracy {accuracy:.3f})"
    try:
        save_predictions(output, x, y, predicted, title)
    except ImportError as error:
        print(f"\nno picture: {error}")
    else:
        print(f"\npicture of the predictions, mistakes framed: {os.path.abspath(output)}")
