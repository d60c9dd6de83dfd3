"""Operators and functions of `keras.ops` on symbolic tensors."""

from __future__ import annotations

from typing import Any

from tests.saving.exchange.draw import Draw


def _elementwise(g: Draw, x: Any) -> list:
    ops = g.keras.ops
    constant = g.array(x.shape[-1] or 1)
    return [
        lambda: x + 1,
        lambda: 0.5 - x,
        lambda: x * constant,
        lambda: x + constant,
        lambda: x / 2.0,
        lambda: 1.0 / (1.0 + x * x),
        lambda: -x,
        lambda: abs(x),
        lambda: ops.tanh(x) ** 2,
        lambda: x - ops.mean(x),
        lambda: ops.where(x > 0, x, 0.1 * x),
        lambda: ops.where(ops.logical_and(x > -1, x < 1.0), x, ops.zeros_like(x)),
        lambda: ops.clip(x, -1.0, 1.0),
        lambda: ops.maximum(x, 0.1),
        lambda: ops.minimum(x, constant),
        lambda: ops.add(x, ops.ones_like(x)),
        lambda: ops.multiply(constant, x),
        lambda: ops.cast(x > 0.2, "float32") * x,
        lambda: ops.cast(ops.cast(x * 4, "int32"), x.dtype) + x,
        lambda: ops.sin(x) + ops.cos(x),
        lambda: ops.exp(-ops.square(x)),
        lambda: ops.log1p(ops.abs(x)),
        lambda: ops.sqrt(ops.relu(x) + 1.0),
        lambda: ops.leaky_relu(x, negative_slope=0.3),
        lambda: ops.elu(x, alpha=0.5),
        lambda: ops.gelu(x, approximate=g.pick(True, False)),
        lambda: ops.silu(x),
        lambda: ops.softmax(x, axis=-1),
        lambda: ops.log_softmax(x),
        lambda: ops.stop_gradient(x) * 0.5 + x,
        lambda: ops.sigmoid(x) * ops.sign(x),
        lambda: ops.normalize(x, axis=-1, order=2),
        lambda: ops.nan_to_num(x),
        lambda: ops.power(ops.abs(x) + 1.0, 0.5),
        lambda: ops.arctan2(x, ops.square(x) + 1.0),
        lambda: ops.hard_tanh(x),
        lambda: ops.squeeze(ops.expand_dims(x, axis=1), axis=1),
        lambda: ops.cumsum(x, axis=-1),
        lambda: ops.flip(x, axis=-1),
        lambda: ops.roll(x, 1, axis=-1),
        lambda: ops.sort(x, axis=-1),
        lambda: ops.add(x, x * 0.5),
        lambda: ops.floor(x * 2.0) / 2.0 + x,
        lambda: ops.logaddexp(x, 0.5 * x),
        lambda: ops.erf(x) + ops.rsqrt(ops.square(x) + 1.0),
    ]


def _reshaping(g: Draw, x: Any) -> list:
    """What changes the shape, but not the rank."""
    ops, last = g.keras.ops, x.shape[-1]
    choices = [
        lambda: x[:, ..., :1],
        lambda: x[:, ..., ::2],
        lambda: x[..., -1:],
        lambda: ops.concatenate([x, ops.relu(x)], axis=-1),
        lambda: ops.stack([x, x * 2], axis=1)[:, 0],
        lambda: ops.mean(x, axis=-1, keepdims=True),
        lambda: ops.max(x, axis=-1, keepdims=True) + ops.min(x, axis=-1, keepdims=True),
        lambda: ops.logsumexp(x, axis=-1, keepdims=True),
        lambda: ops.var(x, axis=-1, keepdims=True) + ops.std(x, axis=-1, keepdims=True) * 0.0,
        lambda: ops.take(x, g.pick([0], (0, 0)), axis=-1),
        lambda: ops.repeat(x, 2, axis=-1),
        lambda: ops.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(1, 1)], constant_values=0.5),
        lambda: ops.append(x, x, axis=-1),
        lambda: ops.sum(ops.stack([x, x]), axis=0),
        lambda: ops.hstack([x, x]) if all(x.shape[1:]) else x,
        lambda: ops.top_k(x, 1)[0],
        lambda: ops.moments(x, axes=[-1], keepdims=True)[0],
        lambda: ops.one_hot(ops.argmax(x, axis=-1), last, dtype="float32") * x,
        lambda: ops.matmul(x, g.array(last, 3)),
        lambda: x @ g.array(last, 2),
        lambda: ops.einsum("...a,ab->...b", x, ops.cast(g.array(last, 2), x.dtype)),
        lambda: ops.tensordot(x, g.array(last, 2), axes=1),
        lambda: ops.dot(x, g.array(last, 2)),
    ]
    if last % 2 == 0:
        choices.append(lambda: ops.split(x, 2, axis=-1)[1])
        choices.append(lambda: ops.glu(x, axis=-1))
    return choices


def _of_several_axes(g: Draw, x: Any) -> list:
    """What changes the rank, or needs more than one axis."""
    ops = g.keras.ops
    choices = [
        lambda: x[:, 0],
        lambda: x[:, -1],
        lambda: x[..., 0],
        lambda: ops.mean(x, axis=1),
        lambda: ops.sum(x, axis=(1,)),
        lambda: ops.swapaxes(x, 1, 2),
        lambda: ops.moveaxis(x, -1, 1),
    ]
    if not all(x.shape[1:]):
        return choices
    axes = (0, *range(len(x.shape) - 1, 0, -1))
    choices += [
        lambda: ops.transpose(x, axes),
        lambda: ops.reshape(x, (-1, *x.shape[1:][::-1])),
        lambda: x[:, :1],
        lambda: x[:, None, 0],
        lambda: ops.amax(x, axis=1),
        lambda: ops.unstack(x, axis=1)[0],
        lambda: ops.matmul(x, ops.swapaxes(x, -1, -2)),
        lambda: ops.tril(x),
        lambda: ops.median(x, axis=1),
        lambda: ops.slice(x, (0, 0, *[0] * (len(x.shape) - 2)), (2, 1, *x.shape[2:])) if x.shape[0] == 2 else x[:, :1],
    ]
    if len(x.shape) == 4:
        choices += [
            lambda: ops.max_pool(x, 2, padding="same"),
            lambda: ops.average_pool(x, (1, 2), strides=1, padding="same"),
            lambda: ops.conv(x, g.array(2, 2, x.shape[-1], 2), strides=g.pick(1, 2), padding="same"),
            lambda: ops.image.resize(x, (3, 4), interpolation="bilinear"),
        ]
    return choices


def operation(g: Draw, x: Any) -> Any:
    """One or two operations on a tensor."""
    for _ in range(g.size(1, 2)):
        families = [_elementwise, _elementwise, _reshaping, *[_of_several_axes] * (len(x.shape) > 2)]
        x = g.random.choice(g.random.choice(families)(g, x))()
    return x
