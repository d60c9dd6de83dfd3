"""Layers with options drawn at random, by the rank of what they take: one call adds a layer, or a few, to a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.saving.exchange.draw import Draw

Block = Callable[[Draw, Any], Any]
VECTOR, SEQUENCE, IMAGE, VOLUME = 1, 2, 3, 4
BLOCKS: dict[int, dict[str, Block]] = {rank: {} for rank in (VECTOR, SEQUENCE, IMAGE, VOLUME)}


def block(*ranks: int) -> Callable[[Block], Block]:
    """Decorator: list a block under its name, for inputs of these ranks (without the batch axis)."""

    def add(function: Block) -> Block:
        for rank in ranks:
            BLOCKS[rank][function.__name__] = function
        return function

    return add


def dense(g: Draw, **changes: Any) -> Any:
    """A Dense layer with some of its arguments."""
    options = g.weights("kernel", "bias") | g.common()
    options |= g.some(0.3, use_bias=lambda: False, activity_regularizer=lambda: "l2")
    return g.layers.Dense(**{"units": g.size(), "activation": g.activation(), **options, **changes})


@block(VECTOR, SEQUENCE, IMAGE)
def dense_block(g, x):
    return dense(g)(x)


@block(SEQUENCE)
def einsum_dense(g, x):
    if g.chance(0.5):
        return g.layers.EinsumDense("abc,cd->abd", output_shape=(x.shape[1], 3), bias_axes="d")(x)
    return g.layers.EinsumDense("...x,xy->...y", output_shape=4, activation=g.activation(), **g.common())(x)


@block(VECTOR, SEQUENCE, IMAGE, VOLUME)
def activation(g, x):
    make = g.layers
    if g.chance(0.4):
        return make.Activation(g.activation() or "relu", **g.common())(x)
    return g.pick(
        g.late(lambda: make.ReLU(max_value=g.pick(None, 6.0), negative_slope=g.pick(0.0, 0.1), threshold=0.1)),
        g.late(lambda: make.LeakyReLU(g.pick(0.2, 0.3))),
        g.late(lambda: make.ELU(alpha=g.pick(1.0, 0.5))),
        g.late(lambda: make.Softmax(axis=g.pick(-1, 1))),
        g.late(lambda: make.PReLU(shared_axes=g.pick(None, [1]), alpha_initializer="ones")),
    )(x)


def _quiet(g, layer, x):
    return layer(x, training=True) if g.chance(0.1) and not g.noisy else layer(x)


@block(VECTOR, SEQUENCE, IMAGE, VOLUME)
def dropout(g, x):
    make, rate, last = g.layers, g.rate(), len(x.shape) - 1
    kinds = [
        lambda: make.Dropout(rate, noise_shape=g.pick(None, (None, *[1] * last)), seed=g.pick(None, 3)),
        lambda: make.GaussianNoise(rate, seed=g.pick(None, 1)),
        lambda: make.GaussianDropout(rate),
        lambda: make.AlphaDropout(rate),
    ]
    if last > 1:
        spatial = getattr(make, f"SpatialDropout{last - 1}D")
        kinds.append(lambda: spatial(rate, **({"data_format": "channels_first"} if g.chance(0.3) and last > 2 else {})))
    return _quiet(g, g.random.choice(kinds)(), x)


@block(VECTOR, SEQUENCE, IMAGE, VOLUME)
def normalization(g, x):
    make, channels = g.layers, x.shape[-1]
    axis = g.pick(-1, -1, 1) if all(x.shape[1:]) else -1
    centred = g.some(0.3, center=lambda: False, scale=lambda: False)
    kinds = [
        lambda: make.BatchNormalization(axis=axis, momentum=g.pick(0.99, 0.5), epsilon=1e-2, **centred),
        lambda: make.LayerNormalization(axis=axis, epsilon=1e-2, **centred, **g.weights("gamma")),
        lambda: make.GroupNormalization(g.pick(1, -1, channels), epsilon=1e-2, **centred),
        lambda: make.RMSNormalization(epsilon=1e-2),
        lambda: make.UnitNormalization(axis=-1),
        lambda: make.BatchNormalization(gamma_regularizer="l2", beta_initializer="random_normal", **g.common()),
    ]
    return g.random.choice(kinds)()(x)


@block(VECTOR, SEQUENCE, IMAGE, VOLUME)
def plain(g, x):
    make = g.layers
    return g.pick(
        g.late(lambda: make.Identity()),
        g.late(lambda: make.Rescaling(g.pick(0.5, 2), offset=g.pick(0.0, -0.1))),
        g.late(lambda: make.ActivityRegularization(l1=0.01, l2=g.pick(0.0, 0.02))),
        g.late(lambda: make.Normalization(axis=g.pick(-1, None), mean=0.1, variance=g.pick(2.0, 4.0))),
        g.late(lambda: g.custom["Scaled"](0.7, options={"a": [1, 2.5, None], "b": {"c": "text"}})),
        g.late(lambda: g.custom["Scaled"](1.1, inner=g.layers.Dense(3))),
    )(x)


@block(VECTOR, SEQUENCE)
def custom_layers(g, x):
    return g.custom["Mixture"](g.size(2, 4))(x)


@block(VECTOR, SEQUENCE, IMAGE)
def pair(g, x):
    both = g.custom["Pair"]()(x, **g.some(0.5, factor=lambda: 0.5))
    return g.layers.Add()([both["same"], both["more"]])


@block(SEQUENCE)
def convolution_1d(g, x):
    make, steps, channels = g.layers, x.shape[1], x.shape[2]
    common = {"activation": g.activation(), "use_bias": g.pick(True, True, False), **g.common()}
    padding = g.pick("same", "causal", "valid" if steps and steps > 3 else "same")
    if g.chance(0.3):
        scale = {"depth_multiplier": g.pick(1, 2)}
        if g.chance(0.5):
            return make.SeparableConv1D(g.size(), 2, padding="same", **scale, **common)(x)
        return make.DepthwiseConv1D(2, padding=g.pick("same", "valid") if steps and steps > 3 else "same", **scale)(x)
    if g.chance(0.2):
        return make.Conv1DTranspose(g.size(), 2, strides=g.pick(1, 2), padding=g.pick("same", "valid"), **common)(x)
    step = g.pick({"strides": 2}, {"dilation_rate": 2}, {}) if padding != "valid" else {}
    groups = channels if channels > 1 and g.chance(0.2) else 1
    if g.chance(0.15) and steps:
        return make.Conv1D(g.size(), 2, padding="same", data_format="channels_first", **common)(x)
    return make.Conv1D(groups * g.size(1, 2), 3, padding=padding, groups=groups, **step, **common)(x)


@block(IMAGE)
def convolution_2d(g, x):
    make, channels = g.layers, x.shape[-1]
    common = {"activation": g.activation(), "use_bias": g.pick(True, True, False), **g.common()}
    common |= {"data_format": g.pick(None, None, "channels_last", "channels_first")}
    if common["data_format"] == "channels_first":
        channels = x.shape[1]
    kind = g.size(0, 6)
    if kind == 0:
        return make.SeparableConv2D(g.size(), g.pick(2, (1, 2)), padding="same", depth_multiplier=2, **common)(x)
    if kind == 1:
        return make.DepthwiseConv2D(2, strides=g.pick(1, 2), padding="same", **common, **g.weights("depthwise"))(x)
    if kind == 2:
        more = g.pick({}, {"padding": "same"}, {"strides": 2}, {"strides": 2, "padding": "same"})
        return make.Conv2DTranspose(g.size(1, 3), g.pick(2, 3), **more, **common)(x)
    step = g.pick({"strides": 2}, {"strides": (1, 2)}, {"dilation_rate": 2}, {}, {})
    groups = channels if g.chance(0.2) else 1
    weights = g.weights("kernel", "bias")
    return make.Conv2D(
        groups * g.size(1, 2), g.pick(1, 2, 3, (2, 3)), padding="same", groups=groups, **step, **weights, **common
    )(x)


@block(VOLUME)
def convolution_3d(g, x):
    make, common = g.layers, {"activation": g.activation(), **g.common()}
    if g.chance(0.3):
        return make.Conv3DTranspose(2, g.pick(1, 2), strides=g.pick(1, (1, 2, 1)), padding="same", **common)(x)
    return make.Conv3D(g.size(1, 3), g.pick(2, (1, 2, 3)), padding="same", strides=g.pick(1, 2), **common)(x)


@block(SEQUENCE, IMAGE, VOLUME)
def pooling(g, x):
    make, n = g.layers, len(x.shape) - 2
    if not all(x.shape[1:]):
        return getattr(make, f"{g.pick('Average', 'Max')}Pooling{n}D")(2, padding="same")(x)
    if g.chance(0.2):
        return getattr(make, f"Adaptive{g.pick('Average', 'Max')}Pooling{n}D")(g.size(1, 3))(x)
    options = {"padding": "same", "strides": g.pick(None, 1, 2)} | g.some(
        0.2, data_format=lambda: g.pick("channels_first", "channels_last")
    )
    return getattr(make, f"{g.pick('Average', 'Max')}Pooling{n}D")(g.pick(2, (2,) * n), **options)(x)


@block(SEQUENCE, IMAGE, VOLUME)
def reshaping(g, x):
    make, n, sizes = g.layers, len(x.shape) - 2, x.shape[1:]
    if not all(sizes):
        return make.UpSampling1D(2)(x) if n == 1 else make.Identity()(x)
    kinds = [
        lambda: make.Permute(tuple(g.random.sample(range(1, n + 2), n + 1))),
        lambda: make.Reshape((*sizes[::-1][:n], -1)),
        lambda: getattr(make, f"ZeroPadding{n}D")(1),
        lambda: getattr(make, f"UpSampling{n}D")(g.pick(1, 2)),
    ]
    if all(size > 3 for size in sizes[:-1]):
        kinds.append(lambda: getattr(make, f"Cropping{n}D")(1))
    if n == 2:
        kinds += [
            lambda: make.ZeroPadding2D(((1, 0), (0, 2)), **g.some(0.5, data_format=lambda: "channels_first")),
            lambda: make.UpSampling2D((1, 2), interpolation=g.pick("nearest", "bilinear")),
            lambda: make.Resizing(g.size(2, 5), 4, interpolation=g.pick("bilinear", "nearest")),
            lambda: make.CenterCrop(min(2, sizes[0]), min(3, sizes[1])),
        ]
    return g.random.choice(kinds)()(x)


def cell(g: Draw) -> Any:
    """A cell of a recurrent layer."""
    options = g.some(0.3, use_bias=lambda: False, activation=lambda: g.pick("relu", "tanh", "softsign"))
    return getattr(g.layers, g.pick("LSTMCell", "GRUCell", "SimpleRNNCell"))(g.size(2, 3), **options)


def recurrent(g: Draw, **changes: Any) -> Any:
    """A recurrent layer with some of its arguments, and the sequence or the last step as its result."""
    kind = g.pick("LSTM", "GRU", "SimpleRNN")
    options = g.some(
        0.2,
        use_bias=lambda: False,
        go_backwards=lambda: True,
        unroll=lambda: True,
        activation=lambda: g.pick("relu", "sigmoid"),
        kernel_regularizer=g.regularizer,
        recurrent_initializer=g.initializer,
        zero_output_for_mask=lambda: True,
    )
    if kind == "GRU":
        options |= g.some(0.3, reset_after=lambda: False)
    if kind == "LSTM":
        options |= g.some(0.3, unit_forget_bias=lambda: False)
    rates = {"dropout": g.rate(), "recurrent_dropout": g.pick(0.0, g.rate())}
    return getattr(g.layers, kind)(**{"units": g.size(2, 4), **options, **rates, **changes})


@block(SEQUENCE)
def recurrent_block(g, x):
    if x.shape[1] is None:
        return recurrent(g, return_sequences=True, unroll=False)(x)
    if x.shape[0] is not None and g.chance(0.5):
        g.stateful = True
        return recurrent(g, stateful=True, return_sequences=g.pick(True, False))(x)
    if g.chance(0.3):
        cells = g.pick(g.late(lambda: cell(g)), g.late(lambda: [cell(g), cell(g)]))
        if g.chance(0.3):
            cells = g.layers.StackedRNNCells([cell(g), cell(g)])
        return g.layers.RNN(cells, return_sequences=g.pick(True, False))(x)
    if g.chance(0.2):
        first, *states = recurrent(g, return_state=True, return_sequences=True)(x)
        return g.layers.Concatenate()([g.layers.GlobalAveragePooling1D()(first), *states])
    return recurrent(g, return_sequences=g.pick(True, False))(x)


@block(SEQUENCE)
def states_begin_another(g, x):
    units = g.size(2, 3)
    _, h, c = g.layers.LSTM(units, return_state=True)(x)
    if g.chance(0.5):
        return g.layers.LSTM(units, return_sequences=True)(x, initial_state=[h, c])
    return g.layers.GRU(units, return_sequences=True)(x, initial_state=h + c)


@block(SEQUENCE)
def bidirectional(g, x):
    options = {"unroll": False} if x.shape[1] is None else {}
    layer = recurrent(g, return_sequences=True, go_backwards=False, **options)
    more: dict[str, Any] = {"merge_mode": g.pick("concat", "sum", "mul", "ave")}
    if g.chance(0.2):
        layer = g.layers.LSTM(3, return_sequences=True)
        more["backward_layer"] = g.layers.GRU(3, return_sequences=True, go_backwards=True)
    if g.chance(0.2):
        forward, backward = g.layers.Bidirectional(layer, merge_mode=None)(x)
        return g.layers.Concatenate()([forward, backward])
    return g.layers.Bidirectional(layer, **more)(x)


@block(SEQUENCE, IMAGE, VOLUME)
def time_distributed(g, x):
    layers, inside = g.layers, x.shape[2:]
    if len(inside) == 1:
        part = g.keras.Sequential([g.keras.Input(inside), dense(g, activity_regularizer=None), layers.Dense(3)])
        layer = g.pick(part, g.late(lambda: layers.Dense(4)), g.late(lambda: layers.BatchNormalization()))
    elif len(inside) == 2:
        layer = g.pick(layers.Conv1D(2, 2, padding="same"), layers.Dense(2))
    else:
        layer = g.pick(layers.Conv2D(2, 2, padding="same"), layers.MaxPooling2D(padding="same"))
    return layers.TimeDistributed(layer)(x)


@block(SEQUENCE)
def attention(g, x):
    layers = g.layers
    options: dict[str, Any] = g.some(0.4, use_causal_mask=lambda: True)
    kind = g.size(0, 3)
    if getattr(x, "_keras_mask", None) is not None:  # PyTorch's fused gradient is wrong where a mask leaves nothing
        g.untrusted.add("torch")
    if kind == 0:
        layer = layers.Attention(use_scale=g.pick(True, False), score_mode=g.pick("dot", "concat"))
        return layer([x, x], **options)
    if kind == 1:
        return layers.AdditiveAttention(use_scale=g.pick(True, False))([x, x, x])
    if kind == 2 and x.shape[1] is not None:
        layer = layers.GroupQueryAttention(head_dim=2, num_query_heads=2, num_key_value_heads=g.pick(1, 2))
        return layer(x, x, **options)
    more = g.some(0.3, value_dim=lambda: 3, output_shape=lambda: 5, use_bias=lambda: False)
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=2, **more)
    if g.chance(0.3):
        return layer(x, x, return_attention_scores=True, **options)[0]
    return layer(x, key=x, value=x, **options)


@block(VOLUME)
def convolutional_lstm(g, x):
    options = {"padding": "same", "return_sequences": g.pick(True, False), "go_backwards": g.pick(True, False)}
    return g.layers.ConvLSTM2D(g.size(1, 3), g.pick(2, 3), **options)(x)


@block(IMAGE)
def convolutional_lstm_1d(g, x):
    return g.layers.ConvLSTM1D(
        2, 2, padding="same", return_sequences=g.pick(True, False), use_bias=g.pick(True, False)
    )(x)


@block(VECTOR, SEQUENCE, IMAGE)
def spectral(g, x):
    layer = dense(g, activity_regularizer=None, dtype=None)
    g.untrusted.add("jax")  # loses the kernel that a step divided
    return g.layers.SpectralNormalization(layer)(x)


@block(VECTOR)
def lengthen(g, x):
    make = g.layers
    if g.chance(0.5):
        return make.RepeatVector(g.size(2, 4))(x)
    return make.Reshape((-1, 1))(make.Dense(4)(x))


@block(SEQUENCE, IMAGE, VOLUME)
def merged(g, x):
    """Two branches and a merging layer."""
    make = g.layers
    a, b = make.Dense(3)(x), make.Dense(3, activation="tanh")(x)
    kind = g.pick("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    return getattr(make, kind)()([a, b])


@block(VECTOR)
def merged_vectors(g, x):
    make = g.layers
    a, b = make.Dense(3)(x), make.Dense(3, activation="tanh")(x)
    return g.pick(
        g.late(lambda: make.Dot(axes=-1, normalize=g.pick(True, False))([a, b])),
        g.late(lambda: make.concatenate([a, b])),
        g.late(lambda: make.multiply([a, b])),
        g.late(lambda: make.subtract([a, b])),
    )


def flat(g: Draw, x: Any) -> Any:
    """A vector of anything."""
    make, n = g.layers, len(x.shape) - 2
    if n < 1:
        return x if n == 0 else make.Reshape((1,))(x)
    if g.chance(0.4) and all(x.shape[1:]) and _count(x) < 200:
        return make.Flatten()(x)
    return getattr(make, f"Global{g.pick('Average', 'Max')}Pooling{n}D")()(x)


def _count(x: Any) -> int:
    count = 1
    for size in x.shape[1:]:
        count *= size
    return count


def smaller(g: Draw, x: Any) -> Any:
    """The same with fewer elements where there are very many."""
    if None in x.shape[1:] or _count(x) < 300:
        return x
    n = len(x.shape) - 2
    if n < 1:
        return g.layers.Dense(4)(x)
    pool = getattr(g.layers, f"AveragePooling{n}D")(2, padding="same")
    return g.layers.Dense(3)(pool(x))
