"""Write small `.keras` files with real Keras, and what their models answer, into tests/golden/files.

Run by hand where Keras is installed: KERAS_BACKEND=torch python -m tests.golden.make_keras_files, from the root of the
repository. Each model has been trained for two steps; `steps` holds the losses of the next three.
"""

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


CASES = {f.__name__: f for f in (sequential, functional, autoencoder)}


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
