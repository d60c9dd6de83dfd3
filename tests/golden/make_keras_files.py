"""Write small `.keras` files with real Keras, and what their models answer, into tests/golden/files.

Run by hand where Keras is installed: KERAS_BACKEND=torch python -m tests.golden.make_keras_files, from the root of the
repository; names after it choose some of the cases. Each model has been trained for two steps; `steps` holds the losses
of the next three.
"""

import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "files"


def sequential(keras):
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
    return model, ((8, 8, 1),), (3,)


def functional(keras):
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


def autoencoder(keras):
    """Transposed convolutions in an order of layers that needs Keras's, and RMSprop."""
    layers = keras.layers
    x = keras.Input((8, 8, 2))
    h = layers.Conv2D(3, 3, strides=2, padding="same", activation="relu")(x)
    side = layers.UpSampling2D()(layers.Conv2D(2, 1)(h))
    h = layers.Conv2DTranspose(2, 3, strides=2, padding="same")(h)
    model = keras.Model(x, layers.Add()([h, side]))
    model.compile("rmsprop", "mse")
    return model, ((8, 8, 2),), (8, 8, 2)


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


CASES = {f.__name__: f for f in (sequential, functional, autoencoder, recurrent)}


def batch(shapes, target):
    """The data of a case."""
    random = np.random.RandomState(7)

    def draw(shape):
        return random.uniform(-1, 1, (6, *shape)).astype("float32")

    x = {name: draw(s) for name, s in shapes.items()} if isinstance(shapes, dict) else draw(shapes[0])
    return x, np.abs(draw(target))


def main():
    import keras

    FOLDER.mkdir(exist_ok=True)
    for name, make in CASES.items():
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        keras.utils.set_random_seed(1)
        keras.utils.clear_session()
        model, shapes, target = make(keras)
        x, y = batch(shapes, target)
        for _ in range(2):
            model.train_on_batch(x, y)
        model.save(FOLDER / f"{name}.keras")
        output = model.predict(x, verbose=0)
        model.reset_metrics()
        steps = []
        for _ in range(3):
            model.reset_metrics()
            steps.append(model.train_on_batch(x, y, return_dict=True)["loss"])
        np.savez(FOLDER / f"{name}.npz", output=output, steps=np.array(steps, "float32"))


if __name__ == "__main__":
    main()
