"""Rows of convolution, pooling, normalisation, the softmax family, cross-entropies and dropout."""

import numpy as np

from . import reference
from .row import (
    WIDE,
    N,
    Rows,
    distinct,
    index,
    mask,
    normal,
    positive,
    probabilities,
    uniform,
    values,
)

ROWS = Rows()
row = ROWS.add

STATISTICS = ("same", "wide", "wide")


def conv(x, kernel, *more, **attributes):
    """A row of `conv` for inputs and kernel of these shapes."""
    return row("conv", reference.conv, normal(*x), normal(*kernel), *more, **attributes).checked(tolerance=16)


# 1-D, 2-D and 3-D; strides, dilation, padding, groups.
conv((N, 7, 3), (3, 3, 2))
conv((N, 8, 3), (3, 3, 2), strides=2, padding="same")
conv((N, 9, 2), (3, 2, 3), dilation_rate=3, padding="same")
conv((N, 5, 6, 3), (3, 2, 3, 4))
conv((N, 5, 6, 3), (3, 3, 3, 4), padding="same")
conv((2, 8, 7, 2), (3, 3, 2, 3), strides=2, padding="same")
conv((2, 8, 7, 2), (4, 3, 2, 3), strides=(2, 3), padding="same")
conv((2, 8, 9, 2), (3, 3, 2, 3), dilation_rate=2)
conv((2, 8, 9, 2), (3, 2, 2, 3), dilation_rate=(2, 3), padding="same")
conv((2, 9, 9, 2), (3, 3, 2, 2), strides=2, dilation_rate=2)
conv((2, 4, 4, 2), (3, 3, 2, 2), padding="full")
conv((2, 4, 5, 2), (2, 3, 2, 2), padding=1)
conv((2, 4, 5, 2), (2, 3, 2, 2), padding=(0, 2))
conv((2, 4, 5, 2), (2, 3, 2, 2), padding=((0, 1), (2, 0)), strides=2)
conv((1, 4, 5, 3, 2), (2, 3, 2, 2, 2))
conv((1, 4, 5, 3, 2), (3, 3, 3, 2, 2), padding="same", strides=(2, 1, 2))
# Kernel 1, stride > kernel, padding ≥ kernel, one pixel, one channel, windows that do not fit, nothing at all.
conv((N, 4, 4, 3), (1, 1, 3, 5))
conv((N, 5, 5, 3), (1, 1, 3, 2), strides=2)
conv((2, 9, 8, 2), (2, 2, 2, 3), strides=3)
conv((2, 9, 8, 2), (2, 2, 2, 3), strides=(4, 3), padding="same")
conv((2, 3, 4, 2), (2, 2, 2, 3), padding=((3, 2), (2, 4)))
conv((2, 3, 4, 2), (2, 2, 2, 3), padding=4, strides=3)
conv((2, 1, 1, 2), (3, 3, 2, 3), padding="same")
conv((1, 5, 5, 1), (3, 3, 1, 1), padding="same")
conv((2, 2, 2, 2), (3, 3, 2, 2)).checked(variant="no output")
conv((0, 5, 5, 2), (3, 3, 2, 2)).checked(variant="empty batch")
conv((2, 5, 5, 2), (3, 3, 2, 0)).checked(variant="no channels")
conv((2, 3, 3, 1), (5, 5, 1, 2), padding="same").checked(variant="kernel > image")
# Groups, and groups = channels.
conv((2, 5, 5, 4), (3, 3, 2, 6), padding="same")
conv((2, 5, 5, 6), (3, 3, 2, 3), strides=2)
conv((2, 5, 5, 4), (3, 3, 1, 4), padding="same")
conv((2, 6, 5, 3), (3, 3, 1, 6), strides=2, padding="same")
conv((2, 7, 7, 4), (3, 3, 2, 4), dilation_rate=2)
conv((2, 7, 3), (3, 1, 3))
# Channels first, bias and ReLU.
conv((N, 3, 6, 5), (3, 3, 3, 2), data_format="channels_first", padding="same")
conv((2, 2, 7), (3, 2, 3), data_format="channels_first", strides=2)
for x, kernel, options in (
    ((N, 5, 5, 3), (3, 3, 3, 4), {}),
    ((N, 4, 4, 3), (1, 1, 3, 70), {}),
    ((2, 5, 5, 4), (3, 3, 2, 4), {"padding": "same"}),
):
    for activation in (None, "relu"):
        row(
            "conv",
            reference.conv,
            normal(*x),
            normal(*kernel),
            bias=normal(kernel[-1]),
            activation=activation,
            **options,
        ).checked(tolerance=16)
# Larger ones, on the paths for few channels, many images and chunks.
conv((16, 12, 12, 3), (3, 3, 3, 8), padding="same").checked(dtypes=WIDE, tolerance=32)
conv((20, 14, 13, 2), (5, 5, 2, 6)).checked(dtypes=WIDE, tolerance=32)
conv((8, 16, 16, 40), (3, 3, 40, 36), padding="same", strides=2).checked(
    dtypes=("float32",), tolerance=128, derivatives=None
)

for x, kernel, options in (
    ((N, 4, 3), (3, 2, 3), {}),
    ((N, 3, 4, 3), (3, 3, 2, 3), {}),
    ((2, 3, 4, 2), (3, 2, 3, 2), {"strides": 2}),
    ((2, 3, 4, 2), (3, 3, 2, 2), {"strides": 2, "padding": "same"}),
    ((2, 3, 4, 2), (2, 4, 2, 2), {"strides": (1, 3), "padding": "same"}),
    ((2, 3, 3, 2), (2, 2, 2, 2), {"strides": 3}),
    ((2, 3, 3, 2), (2, 2, 2, 2), {"strides": 3, "padding": "same"}),
    ((2, 3, 3, 2), (3, 3, 2, 2), {"strides": 2, "padding": "same", "output_padding": 1}),
    ((2, 3, 3, 2), (3, 3, 2, 2), {"strides": 2, "output_padding": (0, 1)}),
    ((2, 3, 3, 2), (3, 2, 2, 2), {"dilation_rate": 2}),
    ((2, 3, 3, 2), (3, 3, 2, 2), {"dilation_rate": 2, "padding": "same"}),
    ((1, 2, 3, 2, 2), (2, 3, 2, 2, 2), {"strides": (2, 1, 2), "padding": "same"}),
    ((N, 2, 3, 4), (3, 3, 2, 2), {"strides": 2, "padding": "same", "data_format": "channels_first"}),
    ((2, 1, 1, 1), (1, 1, 1, 1), {}),
    ((0, 3, 3, 2), (3, 3, 2, 2), {}),
):
    row("conv_transpose", reference.conv_transpose, normal(*x), normal(*kernel), **options).checked(tolerance=16)


def _depthwise(x, kernel, **options):
    return reference.conv(x, kernel.reshape(*kernel.shape[:-2], 1, -1), **options)


def _separable(x, depthwise, pointwise, **options):
    return reference.conv(_depthwise(x, depthwise, **options), pointwise)


row("depthwise_conv", _depthwise, normal(N, 5, 6, 3), normal(3, 3, 3, 1)).checked(tolerance=16)
row("depthwise_conv", _depthwise, normal(N, 5, 6, 3), normal(3, 2, 3, 2), padding="same", strides=2).checked(
    tolerance=16
)
row("depthwise_conv", _depthwise, normal(N, 8, 3), normal(3, 3, 1), dilation_rate=2).checked(tolerance=16)
row("separable_conv", _separable, normal(N, 5, 5, 3), normal(3, 3, 3, 2), normal(1, 1, 6, 4), padding="same").checked(
    tolerance=64
)

for name, function in (
    ("max_pool", reference.max_pool),
    ("min_pool", reference.min_pool),
    ("average_pool", reference.average_pool),
):
    for shape, window, options in (
        ((N, 6, 3), 2, {}),
        ((N, 6, 5, 3), 2, {}),
        ((2, 7, 6, 2), 3, {"strides": 2, "padding": "same"}),
        ((2, 7, 6, 2), (3, 2), {"strides": (1, 2), "padding": "same"}),
        ((2, 6, 6, 2), 3, {"strides": 1}),
        ((2, 8, 9, 2), 2, {"strides": 3}),
        ((2, 8, 9, 2), 2, {"strides": 4, "padding": "same"}),
        ((2, 4, 4, 2), 3, {"strides": 2, "padding": 1}),
        ((2, 4, 4, 2), 3, {"strides": 1, "padding": ((2, 0), (0, 2))}),
        ((1, 4, 5, 4, 2), 2, {"padding": "same"}),
        ((N, 2, 4, 6), 2, {"data_format": "channels_first"}),
        ((2, 5, 5, 1), 1, {}),
        ((2, 1, 1, 3), 2, {"padding": "same"}),
        ((2, 2, 2, 1), 3, {}),
        ((0, 4, 4, 2), 2, {}),
        ((3, 20, 18, 2), 17, {"strides": 1}),
    ):
        row(name, function, distinct(*shape), pool_size=window, **options).checked(
            tolerance=8, **({} if np.prod(shape) < 999 else {"dtypes": WIDE, "derivatives": 1})
        )
for name, function in (("max_pool", reference.max_pool), ("min_pool", reference.min_pool)):
    row(name, function, normal(N, 4, 4, 2), pool_size=2, padding="same").checked(
        dtypes=("int32", "uint8"), variant="integers"
    )

# The derivative of y alone takes the fused backward, that of the statistics too the decomposition.
for shape, options in (
    ((N, 3), {}),
    ((N, 4, 3), {}),
    ((2, 5, 4, 3), {}),
    ((N, 3, 4), {"axis": 1}),
    ((3, 5), {"axis": 0}),
    ((N, 1), {"epsilon": 0.1}),
):
    channels = int(shape[options.get("axis", -1)])
    for of in (0, None):
        row(
            "batch_norm_training",
            reference.batch_norm_training,
            normal(*shape),
            normal(channels),
            normal(channels),
            **options,
        ).checked(tolerance=16, result=STATISTICS, of=of, variant="" if of is None else "y")
        row("batch_norm_training", reference.batch_norm_training, normal(*shape), **options).checked(
            tolerance=16, result=STATISTICS, of=of, variant="" if of is None else "y"
        )
row("batch_norm_training", reference.batch_norm_training, normal(N, 5, 3), beta=normal(3)).checked(
    tolerance=16, result=STATISTICS, of=0
)
row("batch_norm_training", reference.batch_norm_training, normal(64, 6, 5), positive(5)).checked(
    tolerance=32, result=STATISTICS, dtypes=WIDE, of=0
)
row("batch_norm_training", reference.batch_norm_training, uniform(1000, 1001, 32, 3)).checked(
    tolerance=4e3, result=STATISTICS, dtypes=WIDE, derivatives=None, variant="far mean"
)
for shape, options in (((N, 3), {}), ((2, 5, 4, 3), {}), ((N, 3, 4), {"axis": 1})):
    channels = int(shape[options.get("axis", -1)])
    for of in (0, None):
        for more in ((), (normal(*shape),)):
            row(
                "batch_norm_relu_training",
                reference.batch_norm_relu_training,
                normal(*shape),
                normal(channels),
                normal(channels),
                *more,
                **options,
            ).checked(tolerance=16, result=STATISTICS, of=of, variant="" if of is None else "y")
row("batch_norm_relu_training", reference.batch_norm_relu_training, normal(64, 3), addend=normal(64, 3)).checked(
    tolerance=32, result=STATISTICS, dtypes=WIDE, of=0
)
# What a GPU does in one kernel: 3×3 and 1×1 convolutions; and what it does not: each channel by itself.
for x, kernel, options in (
    ((2, 4, 3, 2), (3, 2, 2, 3), {}),
    ((2, 4, 3, 2), (1, 1, 2, 3), {"bias": normal(3)}),
    ((2, 5, 4, 2), (3, 3, 1, 2), {"padding": "same", "strides": 2}),
    ((2, 5, 2), (3, 2, 4), {"activation": "relu", "bias": normal(4)}),
    ((2, 2, 4, 3), (2, 2, 2, 3), {"data_format": "channels_first", "activation": "relu", "addend": normal(2, 3, 3, 2)}),
):
    channels = kernel[-1]
    for of in (0, None):
        for parameters in ((), (normal(channels), normal(channels))):
            row(
                "conv_batch_norm_training",
                reference.conv_batch_norm_training,
                normal(*x),
                normal(*kernel),
                *parameters,
                **options,
            ).checked(tolerance=64, result=STATISTICS, of=of, dtypes=WIDE, variant="" if of is None else "y")
row("conv_batch_norm_training", reference.conv_batch_norm_training, normal(2, 4, 3, 2), normal(3, 2, 2, 3)).checked(
    tolerance=1024, result=STATISTICS, dtypes=("float16",), derivatives=None, variant="of a rounded convolution"
)
row(
    "conv_batch_norm_training",
    reference.conv_batch_norm_training,
    normal(4, 12, 11, 8),
    normal(3, 3, 8, 36),
    positive(36),
    addend=normal(4, 10, 9, 36),
    activation="relu",
).checked(tolerance=128, result=STATISTICS, dtypes=WIDE, derivatives=None)
for shape, axis in (((N, 3), -1), ((N, 4, 3), 2), ((N, 3, 4), 1)):
    c = shape[axis]
    row("batch_normalization", reference.batch_normalization, normal(*shape), normal(c), positive(c), axis).checked(
        tolerance=4
    )
    row(
        "batch_normalization",
        lambda x, m, v, a, offset, scale: reference.batch_normalization(x, m, v, a, offset, scale),
        normal(*shape),
        normal(c),
        positive(c),
        axis,
        normal(c),
        normal(c),
    ).checked(tolerance=8)
    for more in ((), (normal(*shape),)):
        row(
            "batch_norm_relu",
            reference.batch_norm_relu,
            normal(*shape),
            normal(c),
            positive(c),
            axis,
            normal(c),
            normal(c),
            1e-3,
            *more,
        ).checked(tolerance=16)
row("batch_norm_relu", reference.batch_norm_relu, normal(64, 200, 3), normal(3), positive(3), -1).checked(
    tolerance=8, dtypes=WIDE, derivatives=None
)

for name, function in (("softmax", reference.softmax), ("log_softmax", reference.log_softmax)):
    row(name, function, normal(N, 5)).checked(tolerance=2)
    row(name, function, normal(N, 3, 5), axis=1).checked(tolerance=2)
    row(name, function, normal(N, 1))
    row(name, function, normal(0, 3))
    row(name, function, normal(5), axis=None if name == "softmax" else -1).checked(tolerance=2)
    row(
        name,
        lambda x, axis, f=function: f(x.transpose(1, 0, 2).reshape(3, -1)).reshape(3, 4, 2).transpose(1, 0, 2),
        normal(4, 3, 2),
        axis=(0, 2),
    ).checked(tolerance=2)
row("softmax", reference.softmax, values(1000.0, 0, -1000)).checked(dtypes=WIDE, variant="far")
row("log_softmax", lambda x: np.array([0.0, -1000, -2000]), values(1000.0, 0, -1000)).checked(
    dtypes=WIDE, variant="far"
)

SPARSE = "sparse_categorical_crossentropy"
row(SPARSE, reference.sparse_categorical_crossentropy, index(5, N), normal(N, 5), from_logits=True).checked(tolerance=2)
row(SPARSE, reference.sparse_categorical_crossentropy, index(5, N, 1), normal(N, 5), from_logits=True).checked(
    tolerance=2
)
row(SPARSE, reference.sparse_categorical_crossentropy, index(3, N, 2), normal(N, 2, 3), from_logits=True).checked(
    tolerance=2
)
row(
    SPARSE, reference.sparse_categorical_crossentropy, index(3, N, 2), normal(N, 3, 2), from_logits=True, axis=1
).checked(tolerance=2)
row(SPARSE, reference.sparse_categorical_crossentropy, index(5, N), probabilities(N, 5)).checked(tolerance=2)
row(SPARSE, reference.sparse_categorical_crossentropy, index(5, N), positive(N, 5)).checked(
    tolerance=2, variant="not normalised"
)
row(SPARSE, reference.sparse_categorical_crossentropy, index(5, 0), normal(0, 5), from_logits=True)
DENSE = "categorical_crossentropy"
row(DENSE, reference.categorical_crossentropy, probabilities(N, 5), normal(N, 5), from_logits=True).checked(tolerance=2)
row(DENSE, reference.categorical_crossentropy, mask(N, 5), normal(N, 5), from_logits=True).checked(tolerance=4)
row(DENSE, reference.categorical_crossentropy, positive(N, 3, 2), normal(N, 3, 2), from_logits=True, axis=1).checked(
    tolerance=4
)
row(DENSE, reference.categorical_crossentropy, probabilities(N, 5), probabilities(N, 5)).checked(tolerance=2)
BINARY = "binary_crossentropy"
row(BINARY, reference.binary_crossentropy, mask(N, 3), normal(N, 3), from_logits=True).checked(tolerance=2)
row(BINARY, reference.binary_crossentropy, uniform(0.1, 0.9, N, 3), uniform(0.1, 0.9, N, 3)).checked(tolerance=4)
row(
    BINARY, lambda t, o, from_logits: np.array([0.0, 300.0]), values(1, 1), values(300, -300), from_logits=True
).checked(dtypes=WIDE, derivatives=None, variant="far")

row("random.dropout", reference.dropout, normal(N, 5), rate=0.4, seed=7).checked(tolerance=2)
row("random.dropout", reference.dropout, normal(N, 3, 2), rate=0.5, noise_shape=(None, 1, 2), seed=3).checked(
    tolerance=2
)
row("random.dropout", lambda x, **_: x, normal(N, 5), rate=0)
row("random.dropout", lambda x, **_: 0 * x, normal(N, 5), rate=1.0).checked(derivatives=0)
row("random.dropout", reference.dropout, normal(0, 5), rate=0.4, seed=7)


def _layer_normalization(x, gamma=None, beta=None, axis=-1, epsilon=1e-7):
    axes = tuple(sorted(a % x.ndim for a in np.atleast_1d(axis)))
    shape = [n if d in axes else 1 for d, n in enumerate(x.shape)]
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)
    y = y if gamma is None else y * gamma.reshape(shape)
    return y if beta is None else y + beta.reshape(shape)


def _rms_normalization(x, scale=None, axis=-1, epsilon=1e-7):
    axes = tuple(sorted(a % x.ndim for a in np.atleast_1d(axis)))
    y = x / np.sqrt((x**2).mean(axes, keepdims=True) + epsilon)
    return y if scale is None else y * scale.reshape([n if d in axes else 1 for d, n in enumerate(x.shape)])


row("layer_normalization", _layer_normalization, normal(N, 5)).checked(tolerance=16)
row("layer_normalization", _layer_normalization, normal(N, 3, 5), positive(5), normal(5), epsilon=1e-2).checked(
    tolerance=16
)
row("layer_normalization", _layer_normalization, normal(N, 3, 5), positive(3), axis=1, epsilon=1e-3).checked(
    tolerance=16
)
row("layer_normalization", _layer_normalization, normal(2, 3, 4), positive(3, 4), normal(3, 4), axis=(-1, 1)).checked(
    tolerance=16
)
row("rms_normalization", _rms_normalization, normal(N, 5)).checked(tolerance=16)
row("rms_normalization", _rms_normalization, normal(N, 3, 5), positive(5), epsilon=1e-2).checked(tolerance=16)
row("rms_normalization", _rms_normalization, normal(2, 3, 4), positive(3, 4), axis=(2, 1)).checked(tolerance=16)

# Recurrent: the gates of 3 steps, 2 units; with and without masks.
for steps, units in ((3, 2), (1, 1)):
    for masked in (False, True):
        kept = [mask(steps, N)] if masked else []
        row(
            "lstm",
            reference.lstm,
            normal(steps, N, 4 * units),
            normal(units, 4 * units),
            normal(N, units),
            normal(N, units),
            *kept,
        ).checked(tolerance=16)
        bias = normal(3 * units) if steps > 1 else None
        row(
            "gru",
            reference.gru,
            normal(steps, N, 3 * units),
            normal(units, 3 * units),
            bias,
            normal(N, units),
            *kept,
        ).checked(tolerance=16)
