"""Exact statistics for batch normalisation after training, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gpunet import ops
from gpunet.autograd.tape import no_grad
from gpunet.data import Batches, unpack_batch
from gpunet.layers.normalization.batch_normalization import BatchNormalization
from gpunet.models.epochs import placed


class _Seen(Exception):
    """All that was to be seen of a batch was seen: the rest of the model need not run."""


class _Moments:
    """Count, mean and variance of all values of each channel, in float64 (Chan, Golub and LeVeque, 1979)."""

    def __init__(self) -> None:
        self.count: Any = 0.0
        self.mean: Any = 0.0
        self.squares: Any = 0.0  # the sum of squared distances from the mean

    def add(self, layer: BatchNormalization, inputs: Any, mask: Any) -> None:
        count, mean, variance = (x.numpy() for x in layer.moments(ops.cast(inputs, "float64"), mask))
        total = self.count + count
        share = np.divide(count, total, out=np.zeros_like(count), where=total > 0)
        distance = mean - self.mean
        self.squares = self.squares + variance * count + distance**2 * self.count * share
        self.mean = self.mean + distance * share
        self.count = total

    @property
    def variance(self) -> np.ndarray:
        return np.divide(self.squares, self.count, out=np.zeros_like(self.squares), where=self.count > 0)


def recalibrate(model: Any, batches: Batches) -> None:
    """Set the moving statistics of each batch normalisation to those of its inputs over all batches.

    From the first layer that runs to the last: each sees what the ones before it give after they were set.

    Raises:
        ValueError: if the batches can be read only once.
    """
    if getattr(batches, "one_pass", False):
        raise ValueError("recalibrate_batchnorm reads the data once per layer. Received: a generator, which ends")
    with no_grad():
        first = next(iter(batches.epoch()))
        calls = _calls(model, first)
        for layer, count in calls.items():
            moments = _moments(model, batches, layer, count)
            layer.set_statistics(moments.mean, moments.variance)


def _calls(model: Any, batch: tuple) -> dict[BatchNormalization, int]:
    """The layers in the order in which they first run, with how often they do; frozen ones left out."""
    found: dict[BatchNormalization, int] = {}

    def note(layer: BatchNormalization, inputs: Any, mask: Any) -> None:
        found[layer] = found.get(layer, 0) + 1

    if not model.built:
        _run(model, batch)
    layers = [x for x in model._flatten_layers() if isinstance(x, BatchNormalization) and x.trainable]
    with _observing(layers, note):
        _run(model, batch)
    return found


def _moments(model: Any, batches: Batches, layer: BatchNormalization, calls: int) -> _Moments:
    moments, seen = _Moments(), 0

    def look(layer: BatchNormalization, inputs: Any, mask: Any) -> None:
        nonlocal seen
        moments.add(layer, inputs, mask)
        seen += 1
        if seen % calls == 0:
            raise _Seen

    with _observing([layer], look):
        for batch in batches.epoch():
            try:
                _run(model, batch)
            except _Seen:
                continue
    return moments


def _run(model: Any, batch: tuple) -> Any:
    x, _, _ = unpack_batch(placed(batch, model._home()))
    return model(x, training=False) if model._call_takes_training() else model(x)


@contextmanager
def _observing(layers: list[BatchNormalization], observer: Any) -> Iterator[None]:
    """Show the inputs of these layers to `observer`, without a change that would end recordings."""
    for layer in layers:
        object.__setattr__(layer, "_observer", observer)
    try:
        yield
    finally:
        for layer in layers:
            object.__delattr__(layer, "_observer")
