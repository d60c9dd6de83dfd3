"""Networks of many kinds, built by the same code with Keras and with gpunet, each with data to train on.

Each function takes the library and returns a compiled model, what its inputs are and what its targets are: a shape, or
`Tokens`, or a dict of them by name.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Tokens(NamedTuple):
    """Integers below `size` in this shape; zero, which masks mean, at the end of every other row."""

    shape: tuple[int, ...]
    size: int


def convnet(keras):
    """A convolutional network with batch normalisation, regularisation and Adam."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Activation("tanh"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", kernel_regularizer="l2", kernel_constraint="max_norm"),
        ]
    )
    model.compile("adam", keras.losses.CategoricalCrossentropy(), metrics=["accuracy"])
    return model, (8, 8, 1), (3,)


def mlp(keras):
    """Dense layers without biases and with leaky activations, Adagrad, a decaying learning rate."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(8, use_bias=False, kernel_initializer="he_normal"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dropout(0.0),
            layers.Dense(6, activation="selu", bias_regularizer=keras.regularizers.L1L2(1e-3, 1e-3)),
            layers.PReLU(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, decay_steps=2, decay_rate=0.5)
    model.compile(keras.optimizers.Adagrad(rate), "binary_crossentropy", metrics=["binary_accuracy"])
    return model, (10,), (1,)


def lenet(keras):
    """LeNet-5's shape: average pooling, tanh, integer labels, momentum."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(3, 5, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(4, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(8, activation="tanh"),
            layers.Dense(5),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, metrics=["accuracy"])
    return model, (16, 16, 1), Tokens((), 5)


def resnet(keras):
    """Residual blocks with batch normalisation, one with a projection; AdamW and a cosine schedule."""
    layers = keras.layers

    def block(x, filters, strides=1):
        y = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        y = layers.BatchNormalization(momentum=0.9)(y)
        y = layers.ReLU()(y)
        y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
        y = layers.BatchNormalization(momentum=0.9)(y)
        if strides != 1:
            x = layers.Conv2D(filters, 1, strides=strides)(x)
        return layers.ReLU()(layers.Add()([x, y]))

    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    x = block(block(x, 4), 6, strides=2)
    outputs = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs)
    rate = keras.optimizers.schedules.CosineDecay(0.01, 20, warmup_steps=2, warmup_target=0.02)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.01), "sparse_categorical_crossentropy")
    return model, (8, 8, 3), Tokens((), 4)


def _sampling(keras):
    @keras.saving.register_keras_serializable("architectures")
    class Shift(keras.layers.Layer):
        """A latent point half a standard deviation above the mean: a sample without chance."""

        def call(self, inputs):
            mean, log_variance = inputs
            return mean + 0.5 * keras.ops.exp(0.5 * log_variance)

    return Shift()


def vae(keras):
    """An encoder and a decoder as nested models, with a layer of the user's between."""
    layers = keras.layers
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(3, 3, strides=2, padding="same", activation="relu")(image)
    x = layers.Dense(6, activation="relu")(layers.Flatten()(x))
    mean, log_variance = layers.Dense(2, name="mean")(x), layers.Dense(2, name="log_variance")(x)
    encoder = keras.Model(image, [mean, log_variance, _sampling(keras)([mean, log_variance])], name="encoder")
    latent = keras.Input((2,))
    x = layers.Reshape((4, 4, 2))(layers.Dense(32, activation="relu")(latent))
    x = layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="relu")(x)
    decoder = keras.Model(latent, layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(x), name="decoder")
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, decoder(encoder(inputs)[2]))
    model.compile(keras.optimizers.Nadam(0.01), keras.losses.BinaryCrossentropy())
    return model, (8, 8, 1), (8, 8, 1)


def lstm(keras):
    """Words with padding, an LSTM that skips it, and RMSprop."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            layers.Embedding(11, 4, mask_zero=True),
            layers.LSTM(5, return_sequences=True),
            layers.LSTM(3, go_backwards=True),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True), "binary_crossentropy")
    return model, Tokens((7,), 11), (1,)


def gru(keras):
    """Masked sequences through both forms of GRU to an answer at each step."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.Masking(mask_value=0.0),
            layers.GRU(4, return_sequences=True, reset_after=True),
            layers.GRU(4, return_sequences=True, reset_after=False),
            layers.TimeDistributed(layers.Dense(2)),
        ]
    )
    model.compile(keras.optimizers.Adamax(0.01), "huber")
    return model, (6, 3), (6, 2)


def bidirectional(keras):
    """Both directions of LSTM and GRU, with masks, and a simple recurrent layer of stacked cells."""
    layers = keras.layers
    words = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(words)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum")(x)
    x = layers.RNN([layers.SimpleRNNCell(4), layers.LSTMCell(3)], return_sequences=True)(x)
    x = layers.SimpleRNN(3, activation="relu")(x)
    model = keras.Model(words, layers.Dense(2, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.01, amsgrad=True, clipnorm=1.0), "sparse_categorical_crossentropy")
    return model, Tokens((6,), 9), Tokens((), 2)


def mobilenet(keras):
    """Depthwise and separable convolutions with relu6 and inverted residuals."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(2.0, offset=-1.0)(inputs)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.ReLU(max_value=6.0)(layers.BatchNormalization()(layers.Conv2D(4, 3, strides=2, use_bias=False)(x)))
    y = layers.Activation("relu6")(layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(x)))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    y = layers.Conv2D(4, 1, use_bias=False)(layers.ReLU(6.0)(layers.BatchNormalization()(y)))
    x = layers.add([x, layers.BatchNormalization()(y)])
    x = layers.SeparableConv2D(6, 3, padding="same", activation="hard_swish")(x)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    outputs = layers.Flatten()(layers.Conv2D(3, 1, activation="softmax")(x))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adadelta(1.0), keras.losses.CategoricalCrossentropy(label_smoothing=0.1))
    return model, (8, 8, 3), (3,)


def unet(keras):
    """A U of convolutions with skip connections, cropping and a pixel-wise loss."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 1))
    a = layers.Conv2D(3, 3, padding="same", activation="relu")(inputs)
    b = layers.Conv2D(4, 3, padding="same", activation="relu")(layers.MaxPooling2D()(a))
    c = layers.Conv2D(5, 3, padding="same", activation="elu")(layers.MaxPooling2D()(b))
    d = layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(c), b])
    d = layers.GroupNormalization(2)(layers.Conv2D(4, 3, padding="same", activation="relu")(d))
    e = layers.Concatenate()([layers.Conv2DTranspose(3, 2, strides=2)(d), a])
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(e))
    model.compile("adam", keras.losses.Dice())
    return model, (8, 8, 1), (8, 8, 1)


def transformer(keras):
    """A transformer's encoder block on tokens with positions."""
    layers = keras.layers
    tokens = keras.Input((6,), dtype="int32")
    positions = keras.ops.cumsum(keras.ops.ones_like(tokens), axis=1) - 1
    x = layers.Embedding(13, 8)(tokens) + layers.Embedding(6, 8)(positions)
    y = layers.MultiHeadAttention(num_heads=2, key_dim=4, value_dim=3)(x, x, use_causal_mask=True)
    x = layers.LayerNormalization(epsilon=1e-6)(x + y)
    y = layers.Dense(8)(layers.Dense(12, activation="gelu")(x))
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, y]))
    model = keras.Model(tokens, layers.Dense(4, activation="softmax")(layers.GlobalMaxPooling1D()(x)))
    model.compile(keras.optimizers.Adam(0.01, beta_2=0.98), "sparse_categorical_crossentropy")
    return model, Tokens((6,), 13), Tokens((), 4)


def wavenet(keras):
    """Causal dilated 1-D convolutions with gates and skips."""
    layers = keras.layers
    inputs = keras.Input((12, 2))
    x = layers.Conv1D(4, 2, padding="causal")(inputs)
    skips = []
    for rate in (1, 2, 4):
        gate = layers.Conv1D(4, 2, padding="causal", dilation_rate=rate, activation="sigmoid")(x)
        y = layers.Multiply()([layers.Conv1D(4, 2, padding="causal", dilation_rate=rate, activation="tanh")(x), gate])
        skips.append(layers.Conv1D(3, 1)(y))
        x = x + layers.Conv1D(4, 1)(y)
    x = layers.MaxPooling1D(2)(layers.ReLU()(layers.Add()(skips)))
    x = layers.SeparableConv1D(3, 3, padding="same")(x)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
    model.compile(keras.optimizers.Lion(1e-3), "log_cosh", metrics=["mse"])
    return model, (12, 2), (2,)


def video(keras):
    """3-D convolutions, pooling, padding and a transposed one."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4, 6, 6, 1)),
            layers.Conv3D(3, (2, 3, 3), padding="same", activation="softplus"),
            layers.MaxPooling3D((1, 2, 2)),
            layers.LayerNormalization(),
            layers.Conv3DTranspose(2, (1, 2, 2), strides=(1, 2, 2)),
            layers.ZeroPadding3D((0, 1, 1)),
            layers.AveragePooling3D(2),
            layers.GlobalMaxPooling3D(),
            layers.Dense(2),
        ]
    )
    model.compile(keras.optimizers.Ftrl(0.1), "mae")
    return model, (4, 6, 6, 1), (2,)


def dictionary(keras):
    """Two named inputs, a shared layer, ops, nested models and SGD with momentum."""
    layers, ops = keras.layers, keras.ops
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(4, activation="tanh")
    x = shared(a) + shared(b)
    wide = ops.concatenate([x, ops.relu(x)], axis=-1)
    stack = keras.Sequential([keras.Input((8,)), layers.Dense(3), layers.ReLU(negative_slope=0.1)])
    inner = keras.Input((4,))
    part = keras.Model(inner, layers.Dense(4)(inner)[:, 1:])
    y = layers.Add()([stack(wide), 2.0 * part(a), part(b)])
    model = keras.Model({"a": a, "b": b}, layers.Concatenate()([y, ops.mean(wide, axis=1, keepdims=True)]))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), "mse", metrics=["mae"])
    return model, {"a": (4,), "b": (4,)}, (4,)


def outputs(keras):
    """Two named outputs with a loss and metrics each, and weights of the losses."""
    layers = keras.layers
    x = keras.Input((5,), name="features")
    h = layers.UnitNormalization()(layers.Dense(6, activation="swish")(x))
    found = {"kind": layers.Dense(3, activation="softmax", name="kind")(h), "size": layers.Dense(1, name="size")(h)}
    model = keras.Model(x, found)
    model.compile(
        "adam",
        loss={"kind": "sparse_categorical_crossentropy", "size": "mse"},
        loss_weights={"kind": 0.3, "size": 2.0},
        metrics={"kind": ["accuracy"], "size": ["mae"]},
    )
    return model, (5,), {"kind": Tokens((), 3), "size": (1,)}


def autoencoder(keras):
    """Transposed convolutions in an order of layers that needs Keras's, and RMSprop."""
    layers = keras.layers
    x = keras.Input((8, 8, 2))
    h = layers.Conv2D(3, 3, strides=2, padding="same", activation="relu")(x)
    side = layers.UpSampling2D()(layers.Conv2D(2, 1)(h))
    h = layers.Conv2DTranspose(2, 3, strides=2, padding="same")(h)
    model = keras.Model(x, layers.Add()([h, side]))
    model.compile("rmsprop", "mse")
    return model, (8, 8, 2), (8, 8, 2)


def channels_first(keras):
    """Channels before the image's axes in convolution, normalisation, padding and pooling."""
    layers, first = keras.layers, {"data_format": "channels_first"}
    model = keras.Sequential(
        [
            keras.Input((2, 8, 8)),
            layers.ZeroPadding2D(1, **first),
            layers.Conv2D(4, 3, strides=2, activation="relu", **first),
            layers.BatchNormalization(axis=1),
            layers.MaxPooling2D(**first),
            layers.Permute((2, 3, 1)),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05, weight_decay=0.01, global_clipnorm=1.0), "mse")
    return model, (2, 8, 8), (2,)


def double(keras):
    """Everything in float64."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1), dtype="float64"),
            layers.Conv2D(3, 3, activation="tanh", dtype="float64"),
            layers.BatchNormalization(dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(2, dtype="float64"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model, (6, 6, 1), (2,)


def mixer(keras):
    """Patches, and layers that mix positions and channels in turn."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 2))
    x = layers.Reshape((4, 6))(layers.Conv2D(6, 4, strides=4)(inputs))
    y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
    x = x + layers.Permute((2, 1))(layers.Dense(4)(layers.Dense(5, activation="gelu")(y)))
    y = layers.Dense(6)(layers.Dense(8, activation="gelu")(layers.LayerNormalization()(x)))
    x = layers.SpatialDropout1D(0.0)(layers.Average()([x, y]))
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))
    model.compile(keras.optimizers.Lamb(0.01), "cosine_similarity")
    return model, (8, 8, 2), (3,)


def custom(keras):
    """A layer and an activation of the user's, registered under names."""

    @keras.saving.register_keras_serializable("architectures")
    def bump(x):
        return keras.ops.exp(-keras.ops.square(x))

    @keras.saving.register_keras_serializable("architectures")
    class Quadratic(keras.layers.Layer):
        def __init__(self, units, gain=1.0, **kwargs):
            super().__init__(**kwargs)
            self.units, self.gain = units, gain

        def build(self, input_shape):
            shape = (input_shape[-1], self.units)
            self.first = self.add_weight(shape=shape, initializer="glorot_uniform", name="first")
            self.second = self.add_weight(shape=shape, initializer="orthogonal", name="second")

        def call(self, inputs):
            return self.gain * (inputs @ self.first + keras.ops.square(inputs) @ self.second)

        def get_config(self):
            return {**super().get_config(), "units": self.units, "gain": self.gain}

    model = keras.Sequential([keras.Input((4,)), Quadratic(5, gain=0.7), keras.layers.Dense(2, activation=bump)])
    model.compile(keras.optimizers.Adafactor(0.01), "mean_squared_logarithmic_error")
    return model, (4,), (2,)


def convlstm(keras):
    """A recurrent layer of convolutions on short films."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4, 6, 6, 1)),
            layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True),
            layers.BatchNormalization(),
            layers.ConvLSTM2D(2, 3, strides=2),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    model.compile("adam", "mse")
    return model, (4, 6, 6, 1), (2,)


def translator(keras):
    """An encoder whose states start a decoder, with attention between, from two inputs with padding."""
    layers = keras.layers
    source, target = keras.Input((5,), dtype="int32", name="source"), keras.Input((4,), dtype="int32", name="target")
    encoded, h, c = layers.LSTM(4, return_sequences=True, return_state=True)(
        layers.Embedding(8, 3, mask_zero=True)(source)
    )
    decoded = layers.LSTM(4, return_sequences=True)(layers.Embedding(7, 3)(target), initial_state=[h, c])
    context = layers.AdditiveAttention()([decoded, encoded])
    answer = layers.Dense(7, activation="softmax")(layers.Concatenate()([decoded, context]))
    model = keras.Model([source, target], answer)
    model.compile(keras.optimizers.Adam(0.02, use_ema=False, weight_decay=1e-3), "sparse_categorical_crossentropy")
    return model, {"source": Tokens((5,), 8), "target": Tokens((4,), 7)}, Tokens((4,), 7)


def recurrent(keras):
    """Masks of an embedding and of a signal, both directions, stacked cells, and states that begin another layer."""
    layers, ops = keras.layers, keras.ops
    tokens, signal = keras.Input((5,), name="tokens"), keras.Input((5, 3), name="signal")
    words = layers.Embedding(6, 4, mask_zero=True)(ops.cast(ops.absolute(5.99 * tokens), "int32"))
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(words)
    ways = layers.Bidirectional(layers.GRU(2), backward_layer=layers.SimpleRNN(2, go_backwards=True), merge_mode="sum")
    heard = layers.Masking()(ops.relu(signal - 0.5))
    outputs, h, c = layers.LSTM(4, return_sequences=True, return_state=True)(heard)
    again = layers.LSTM(4)(signal, initial_state=[h, c])
    stacked = layers.RNN([layers.GRUCell(3, reset_after=False), layers.LSTMCell(2)])(outputs)
    images = layers.ConvLSTM1D(2, 2)(layers.Reshape((5, 3, 1))(signal))
    parts = [layers.GRU(3)(both), ways(both), again, stacked, layers.Flatten()(images)]
    model = keras.Model([tokens, signal], layers.Dense(2)(layers.Concatenate()(parts)))
    model.compile("adam", "mse")
    return model, {"tokens": (5,), "signal": (5, 3)}, (2,)


ARCHITECTURES = {
    f.__name__: f
    for f in (
        *(convnet, mlp, lenet, resnet, vae, lstm, gru, bidirectional, mobilenet, unet, transformer, wavenet, video),
        *(dictionary, outputs, autoencoder, channels_first, double, mixer, custom, convlstm, translator, recurrent),
    )
}


def draw(spec: Any, random: np.random.RandomState, samples: int = 6) -> Any:
    """Data for inputs or targets as an architecture describes them."""
    if isinstance(spec, dict):
        return {name: draw(part, random, samples) for name, part in spec.items()}
    if not isinstance(spec, Tokens):
        return random.uniform(0, 1, (samples, *spec)).astype("float32")
    tokens = random.randint(min(1, len(spec.shape)), spec.size, (samples, *spec.shape)).astype("int32")
    if spec.shape:
        tokens[::2, -2:] = 0
    return tokens


def batch(shapes: Any, targets: Any) -> tuple[Any, Any]:
    """The data of an architecture: inputs and targets."""
    random = np.random.RandomState(7)
    return draw(shapes, random), draw(targets, random)
