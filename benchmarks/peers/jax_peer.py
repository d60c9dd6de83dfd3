"""JAX: pure functions under jit, a hand-written Adam, donated parameters."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.networks import (
    BatchNorm,
    Conv,
    Dense,
    Embedding,
    Encoder,
    GlobalAverage,
    MaxPool,
    Network,
    Recurrent,
    walk,
)
from benchmarks.peers.task import Mode, Work, conv_arrays, op_arrays

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def set_up(mode: Mode) -> None:
    """JAX chose its platform from the environment; this raises where there is none."""
    jax.devices()


def _weights(layers: tuple, shape: tuple[int, ...], rng: np.random.Generator) -> list[Any]:
    """Per layer: trainable arrays, or nested lists of them for a residual block."""
    found: list[Any] = []
    for layer in layers:
        found.append(_weights_of(layer, shape, rng))
        shape = walk([layer], shape)[0]
    return found


def _weights_of(layer: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    def normal(*size: int) -> Any:
        fan_in = int(np.prod(size[:-1]))
        return jnp.asarray(rng.standard_normal(size, dtype="float32") / np.float32(np.sqrt(fan_in)))

    if isinstance(layer, Dense):
        return [normal(int(np.prod(shape)), layer.units), jnp.zeros(layer.units)]
    if isinstance(layer, Recurrent):
        wide = layer.gates * layer.units
        return [normal(shape[1], wide), normal(layer.units, wide), *(jnp.zeros(wide) for _ in range(layer.biases))]
    if isinstance(layer, Conv):
        kernel = normal(layer.window, layer.window, shape[-1], layer.filters)
        return [kernel, *([jnp.zeros(layer.filters)] if layer.bias else [])]
    if isinstance(layer, BatchNorm):
        return [jnp.ones(shape[-1]), jnp.zeros(shape[-1])]
    if isinstance(layer, MaxPool | GlobalAverage):
        return []
    if isinstance(layer, Embedding):
        return [normal(layer.tokens, layer.width)]
    if isinstance(layer, Encoder):
        width, hidden = shape[-1], layer.hidden
        kernels = [normal(width, width) for _ in range(4)] + [normal(width, hidden), normal(hidden, width)]
        biases = [jnp.zeros(n) for n in (*[width] * 4, hidden, width)]
        return [*kernels, *biases, *(make(width) for make in (jnp.ones, jnp.zeros) * 2)]
    return [_weights(layer.body, shape, rng), _weights(layer.shortcut, shape, rng)]


class _Folded(BatchNorm):
    """A batch normalisation in inference: scale and shift."""


def _forward(layers: tuple, weights: list[Any], x: Any, moments: list[Any]) -> Any:
    """The outputs; the moments of batch normalisations are appended in order."""
    for layer, w in zip(layers, weights):
        x = _layer(layer, w, x, moments)
        x = jax.nn.relu(x) if getattr(layer, "relu", False) else x
    return x


def _recurrent(w: list[Any], x: Any, gates: int) -> Any:
    """The last output of an LSTM or GRU."""
    sigmoid, state = jax.nn.sigmoid, jnp.zeros((len(x), w[1].shape[0]))

    def lstm(states: Any, x: Any) -> Any:
        h, c = states
        i, f, g, o = jnp.split(x + h @ w[1], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        return (sigmoid(o) * jnp.tanh(c), c), None

    def gru(states: Any, x: Any) -> Any:
        (h,) = states
        (x_z, x_r, x_h), (z, r, n) = jnp.split(x, 3, axis=1), jnp.split(h @ w[1] + w[3], 3, axis=1)
        z, r = sigmoid(x_z + z), sigmoid(x_r + r)
        return (z * h + (1 - z) * jnp.tanh(x_h + r * n),), None

    inputs = jnp.swapaxes(x @ w[0] + w[2], 0, 1)
    return lax.scan(lstm if gates == 4 else gru, (state, state) if gates == 4 else (state,), inputs)[0][0]


def _normalised(x: Any, gamma: Any, beta: Any) -> Any:
    return (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-3) * gamma + beta


def _encoder(w: list[Any], x: Any, heads: int) -> Any:
    kernels, biases = w[:6], w[6:12]

    def dense(i: int, x: Any) -> Any:
        return x @ kernels[i] + biases[i]

    by_head = (*x.shape[:2], heads, x.shape[-1] // heads)
    attended = jax.nn.dot_product_attention(*(dense(i, x).reshape(by_head) for i in range(3)))
    x = _normalised(x + dense(3, attended.reshape(x.shape)), *w[12:14])
    return _normalised(x + dense(5, jax.nn.gelu(dense(4, x), approximate=False)), *w[14:16])


def _layer(layer: Any, w: list[Any], x: Any, moments: list[Any]) -> Any:
    if isinstance(layer, Dense):
        return x.reshape(len(x), -1) @ w[0] + w[1]
    if isinstance(layer, Recurrent):
        return _recurrent(w, x, layer.gates)
    if isinstance(layer, Conv):
        padding = "SAME" if layer.same else "VALID"
        y = lax.conv_general_dilated(x, w[0], (layer.stride,) * 2, padding, dimension_numbers=_LAYOUT)
        return y + w[1] if layer.bias else y
    if isinstance(layer, _Folded):
        return x * w[0] + w[1]
    if isinstance(layer, BatchNorm):
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        moments.append((mean, variance))
        return (x - mean) * lax.rsqrt(variance + 1e-3) * w[0] + w[1]
    if isinstance(layer, MaxPool):
        window, strides = (1, layer.window, layer.window, 1), (1, layer.stride, layer.stride, 1)
        return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, "SAME" if layer.same else "VALID")
    if isinstance(layer, GlobalAverage):
        return x.mean(tuple(range(1, x.ndim - 1)))
    if isinstance(layer, Embedding):
        return w[0][x]
    if isinstance(layer, Encoder):
        return _encoder(w, x, layer.heads)
    return jax.nn.relu(_forward(layer.body, w[0], x, moments) + _forward(layer.shortcut, w[1], x, moments))


def parameters(net: Network) -> int:
    """Trainable numbers."""
    return sum(w.size for w in jax.tree.leaves(_weights(net.layers, net.shape, np.random.default_rng(0))))


def training(net: Network, x: np.ndarray, y: np.ndarray, batch: int, mode: Mode) -> Work:
    """Forward, backward, moving averages of batch normalisation, and Adam, in one jitted function."""
    weights = _weights(net.layers, net.shape, np.random.default_rng(0))
    data, labels = jnp.asarray(x), jnp.asarray(y)

    def loss(weights: Any) -> Any:
        moments: list[Any] = []
        log_p = jax.nn.log_softmax(_forward(net.layers, weights, data, moments))
        return -jnp.take_along_axis(log_p, labels[:, None], 1).mean(), moments

    def update(state: Any) -> Any:
        weights, m, v, averages, step = state
        grads, moments = jax.grad(loss, has_aux=True)(weights)
        step = step + 1
        rate = 1e-3 * jnp.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
        weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, m, v)
        averages = jax.tree.map(lambda a, b: 0.99 * a + 0.01 * b, averages, moments)
        return weights, m, v, averages, step

    averages = jax.eval_shape(lambda w: loss(w)[1], weights)
    averages = jax.tree.map(lambda a: jnp.zeros(a.shape), averages)
    zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
    state = [(weights, *zeros, averages, jnp.zeros((), "float32"))]
    step = jax.jit(update, donate_argnums=0)

    def run() -> None:
        state[0] = jax.block_until_ready(step(state[0]))

    return Work(run)


def inference(net: Network, x: np.ndarray, mode: Mode) -> Work:
    """The outputs for a batch; batch normalisation has its moments folded into scale and shift."""
    weights = _weights(net.layers, net.shape, np.random.default_rng(0))
    data = jnp.asarray(x)

    def forward(weights: Any, x: Any) -> Any:
        return _forward(_folded(net.layers), weights, x, [])

    jitted = jax.jit(forward)
    return Work(lambda: jax.block_until_ready(jitted(weights, data)))


def _folded(layers: tuple) -> tuple:
    found = []
    for layer in layers:
        if hasattr(layer, "body"):
            layer = layer._replace(body=_folded(layer.body), shortcut=_folded(layer.shortcut))
        found.append(_Folded(*layer) if isinstance(layer, BatchNorm) else layer)
    return tuple(found)


def convolution(shape: dict[str, int], part: str, mode: Mode) -> Work:
    """Forward, or backward: the gradients of both operands."""
    x, kernel, g = map(jnp.asarray, conv_arrays(shape))
    strides, padding = (shape["stride"],) * 2, ((shape["padding"],) * 2,) * 2

    def conv(x: Any, kernel: Any) -> Any:
        return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=_LAYOUT)

    jitted = jax.jit(conv if part == "forward" else lambda x, kernel: jax.vjp(conv, x, kernel)[1](g))
    return Work(lambda: jax.block_until_ready(jitted(x, kernel)))


def product(size: int, mode: Mode) -> Work:
    """A square float32 matrix product."""
    a = jnp.ones((size, size), "float32")
    jitted = jax.jit(lambda a: a @ a)
    return Work(lambda: jax.block_until_ready(jitted(a)))


def operation(name: str, mode: Mode) -> Work:
    """One op of `OPS`, jitted."""
    t = {key: jnp.asarray(a) for key, a in op_arrays().items()}
    gain = t["row"][:32]
    call, operands = {
        "add": (lambda a, b: a + b, "ab"),
        "multiply": (lambda a, b: a * b, "ab"),
        "exp": (jnp.exp, "a"),
        "tanh": (jnp.tanh, "a"),
        "relu": (jax.nn.relu, "a"),
        "sum": (jnp.sum, "a"),
        "mean_axis0": (lambda a: a.mean(0), "a"),
        "softmax": (jax.nn.softmax, "a"),
        "transpose_copy": (lambda a: a.T, "a"),
        "matmul": (lambda a, b: a @ b, "ab"),
        "conv": (lambda x, k: _layer(Conv(32, 3, bias=False), [k], x, []), ("images", "kernel")),
        "max_pool": (lambda x: _layer(MaxPool(2, 2), [], x, []), ("images",)),
        "batch_norm": (lambda x: (x - t["zeros"]) * lax.rsqrt(t["ones"] + 1e-3) * gain + gain, ("images",)),
        "layer_norm": (lambda a: _normalised(a, t["row"], t["row"]), "a"),
        "gelu": (lambda a: jax.nn.gelu(a, approximate=False), "a"),
        "crossentropy": (
            lambda a: -jnp.take_along_axis(jax.nn.log_softmax(a), t["labels"][:, None], 1),
            "a",
        ),
        "concatenate": (lambda a, b: jnp.concatenate([a, b], 1), "ab"),
        "take": (lambda a: a[t["labels"]], "a"),
    }[name]
    arrays = [t[key] for key in operands]
    jitted = jax.jit(call)
    return Work(lambda: jax.block_until_ready(jitted(*arrays)))
