"""Keras on the backend that the environment names: `fit` and `predict_on_batch`, with Keras's defaults."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from benchmarks.networks import BatchNorm, Conv, Dense, Embedding, Encoder, GlobalAverage, MaxPool, Network, Recurrent
from benchmarks.peers.task import Mode, Work, epochs


def set_up(mode: Mode) -> None:
    """Keras needs nothing."""


def build(net: Network) -> keras.Model:
    """The network as a functional model."""
    inputs = layers.Input(net.shape, dtype="int32" if net.tokens else None)
    return keras.Model(inputs, _stack(net.layers, inputs))


def _stack(stack: tuple, x: Any) -> Any:
    for layer in stack:
        x = _layer(layer, x)
    return x


def _layer(layer: Any, x: Any) -> Any:
    activation = "relu" if getattr(layer, "relu", False) else None
    padding = "same" if getattr(layer, "same", False) else "valid"
    if isinstance(layer, Dense):
        flat = layers.Flatten()(x) if len(x.shape) > 2 else x
        return layers.Dense(layer.units, activation=activation)(flat)
    if isinstance(layer, Recurrent):
        return (layers.LSTM if layer.gates == 4 else layers.GRU)(layer.units)(x)
    if isinstance(layer, Conv):
        how = {"padding": padding, "use_bias": layer.bias, "activation": activation}
        return layers.Conv2D(layer.filters, layer.window, layer.stride, **how)(x)
    if isinstance(layer, MaxPool):
        return layers.MaxPooling2D(layer.window, layer.stride, padding)(x)
    if isinstance(layer, BatchNorm):
        x = layers.BatchNormalization()(x)
        return layers.ReLU()(x) if layer.relu else x
    if isinstance(layer, GlobalAverage):
        return (layers.GlobalAveragePooling2D if len(x.shape) == 4 else layers.GlobalAveragePooling1D)()(x)
    if isinstance(layer, Embedding):
        return layers.Embedding(layer.tokens, layer.width)(x)
    if isinstance(layer, Encoder):
        return _encoder(layer, x)
    return layers.ReLU()(layers.Add()([_stack(layer.body, x), _stack(layer.shortcut, x)]))


def _encoder(layer: Encoder, x: Any) -> Any:
    width = x.shape[-1]
    attended = layers.MultiHeadAttention(layer.heads, width // layer.heads)(x, x)
    x = layers.LayerNormalization()(layers.Add()([x, attended]))
    hidden = layers.Dense(layer.hidden, activation="gelu")(x)
    return layers.LayerNormalization()(layers.Add()([x, layers.Dense(width)(hidden)]))


def parameters(net: Network) -> int:
    """Trainable numbers of the built network."""
    return sum(int(np.prod(w.shape)) for w in build(net).trainable_weights)


def training(net: Network, x: np.ndarray, y: np.ndarray, batch: int, mode: Mode) -> Work:
    """An epoch of `fit` with Adam."""
    model = build(net)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return epochs(model, x, y, batch)


def inference(net: Network, x: np.ndarray, mode: Mode) -> Work:
    """`predict_on_batch`."""
    model = build(net)
    model.compile()
    return Work(lambda: model.predict_on_batch(x))
