"""gpunet: eager tape, recorded step (`gpunet.function`), or `fit` with its defaults."""

from __future__ import annotations

from typing import Any

import numpy as np

import gpunet
from benchmarks.networks import BatchNorm, Conv, Dense, Embedding, Encoder, GlobalAverage, MaxPool, Network, Recurrent
from benchmarks.peers.task import CHAIN, Mode, Work, conv_arrays, epochs, op_arrays
from gpunet import layers, ops
from gpunet.backend.devices import synchronize, to_device
from gpunet.backend.primitives import conv as prim


def set_up(mode: Mode) -> None:
    """Choose the device for everything that follows."""
    gpunet.set_default_device("gpu:0" if mode.device == "gpu" else "cpu")


def _finished(function: Any, mode: Mode) -> Any:
    if mode.device == "cpu":
        return function
    device = gpunet.default_device()

    def finished() -> None:
        function()
        synchronize(device)

    return finished


def build(net: Network) -> gpunet.Model:
    """The network as a functional model."""
    inputs = layers.Input(net.shape, dtype="int32" if net.tokens else None)
    return gpunet.Model(inputs, _stack(net.layers, inputs))


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
        made = layers.Conv2D(
            layer.filters, layer.window, layer.stride, padding, use_bias=layer.bias, activation=activation
        )
        return made(x)
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
    """Forward, backward and Adam on one batch; `fit` adds its loss metric, callbacks and shuffled batches."""
    model = build(net)
    loss = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = gpunet.optimizers.Adam()
    if mode.how == "fit":
        model.compile(optimizer, loss)
        return epochs(model, x, y, batch)

    def step(x: Any, y: Any) -> Any:
        with gpunet.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        weights = model.trainable_weights
        optimizer.apply(tape.gradient(value, weights), weights)
        return value

    run = gpunet.function(step) if mode.how == "recorded" else step
    data = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    return Work(_finished(lambda: run(*data), mode))


def inference(net: Network, x: np.ndarray, mode: Mode) -> Work:
    """The network's outputs for a batch; with "fit", through `predict_on_batch`."""
    model = build(net)
    if mode.how == "fit":
        return Work(lambda: model.predict_on_batch(x))
    data = ops.convert_to_tensor(x)

    def forward(x: Any) -> Any:
        return model(x, training=False)

    run = gpunet.function(forward) if mode.how == "recorded" else forward
    return Work(_finished(lambda: run(data), mode))


def convolution(shape: dict[str, int], part: str, mode: Mode) -> Work:
    """Forward, or backward: the gradients of both operands."""
    x, kernel, g = (to_device(a, gpunet.default_device()) for a in conv_arrays(shape))
    side, window = (shape["side"],) * 2, (shape["window"],) * 2
    how = {"strides": (shape["stride"],) * 2, "padding": ((shape["padding"],) * 2,) * 2, "dilation": (1, 1)}

    def backward() -> None:
        prim.conv_input_grad(g, kernel, spatial=side, **how)
        prim.conv_weight_grad(x, g, window=window, **how)

    call = backward if part == "backward" else lambda: prim.conv(x, kernel, None, **how)
    return Work(_finished(call, mode))


def product(size: int, mode: Mode) -> Work:
    """A square float32 matrix product."""
    a = ops.convert_to_tensor(np.ones((size, size), "float32"))
    return Work(_finished(lambda: ops.matmul(a, a), mode))


def chain(mode: Mode) -> Work:
    """Small ops one after the other, forward and backward; a step is one op."""
    x = gpunet.Variable(np.ones(8, "float32"))

    def run() -> Any:
        with gpunet.GradientTape() as tape:
            y: Any = x
            for _ in range(CHAIN // 2):
                y = ops.tanh(y * x)
        return tape.gradient(y, x)

    return Work(run, CHAIN)


def operation(name: str, mode: Mode) -> Work:
    """One op of `OPS` on arrays of about a million numbers."""
    t = {key: to_device(a, gpunet.default_device()) for key, a in op_arrays().items()}
    a, b, row, images = t["a"], t["b"], t["row"], t["images"]
    gain, mean, variance = row[:32], t["zeros"], t["ones"]
    call = {
        "add": lambda: ops.add(a, b),
        "multiply": lambda: ops.multiply(a, b),
        "exp": lambda: ops.exp(a),
        "tanh": lambda: ops.tanh(a),
        "relu": lambda: ops.relu(a),
        "sum": lambda: ops.sum(a),
        "mean_axis0": lambda: ops.mean(a, axis=0),
        "softmax": lambda: ops.softmax(a),
        "transpose_copy": lambda: ops.copy(ops.transpose(a)),
        "matmul": lambda: ops.matmul(a, b),
        "conv": lambda: ops.conv(images, t["kernel"], padding="same"),
        "max_pool": lambda: ops.max_pool(images, 2),
        "batch_norm": lambda: ops.batch_normalization(images, mean, variance, 3, gain, gain),
        "layer_norm": lambda: ops.layer_normalization(a, row, row, epsilon=1e-3),
        "gelu": lambda: ops.gelu(a, approximate=False),
        "crossentropy": lambda: ops.sparse_categorical_crossentropy(t["labels"], a, from_logits=True),
        "concatenate": lambda: ops.concatenate([a, b], axis=1),
        "take": lambda: ops.take(a, t["labels"], axis=0),
    }[name]
    return Work(_finished(call, mode))
