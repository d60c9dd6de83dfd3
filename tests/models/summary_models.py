"""Models whose summaries gpunet and Keras print alike: each a function of the library, and how to print it."""

from __future__ import annotations

from typing import Any

import numpy as np


def mlp(keras: Any) -> Any:
    return keras.Sequential([keras.Input((784,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(10)])


def convnet(keras: Any) -> Any:
    layers = keras.layers
    stack = [
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10, name="a_rather_long_name_for_a_layer_that_does_not_fit"),
    ]
    model = keras.Sequential(stack)
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def unbuilt(keras: Any) -> Any:
    return keras.Sequential([keras.layers.Dense(3), keras.layers.BatchNormalization()], name="unbuilt")


def chain(keras: Any) -> Any:
    x = inputs = keras.Input((None, 7), name="words")
    x = keras.layers.Conv1D(5, 3, padding="same")(x)
    return keras.Model(inputs, keras.layers.GlobalMaxPooling1D()(x), name="chain")


def branches(keras: Any) -> Any:
    a, b = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    shared = keras.layers.Dense(3, name="shared")
    x = keras.layers.Concatenate()([shared(a), shared(b)])
    return keras.Model(
        {"left": a, "right": b}, [keras.layers.Dense(1, name="one")(x), keras.layers.Dense(2, name="two")(x)]
    )


def with_ops(keras: Any) -> Any:
    inputs = keras.Input((4,))
    x = keras.ops.relu(inputs) + 2.0 * inputs
    return keras.Model(inputs, keras.ops.mean(x, axis=-1))


def nested(keras: Any) -> Any:
    layers = keras.layers
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(4, name="deep"), layers.ReLU()], name="inner")
    middle = keras.Input((5,), name="middle_input")
    graph = keras.Model(middle, layers.Add()([inner(middle), layers.Dense(4)(middle)]), name="middle")
    outer = keras.Input((5,), name="outer_input")
    return keras.Model(outer, layers.Dense(2)(graph(outer)), name="outer")


def subclass(keras: Any) -> Any:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="own")
            self.first = keras.layers.Dense(3)
            self.drop = keras.layers.Dropout(0.1)
            self.last = keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.last(self.drop(self.first(x)))

    model = Own()
    model(np.zeros((2, 4), "float32"))
    return model


def several_outputs(keras: Any) -> Any:
    class Both(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x + 1.0, x[:, 0]

    class Named(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return {"sum": x + 1.0, "first": x[:, :1]}

    inputs = keras.Input((5, 3))
    states = keras.layers.LSTM(4, return_state=True)(inputs)
    first, _ = Both()(states[0])
    return keras.Model(inputs, Named()(first))


def attention(keras: Any) -> Any:
    layers = keras.layers
    inputs = keras.Input((6, 8))
    x = layers.Dropout(0.1)(layers.MultiHeadAttention(2, 4)(inputs, inputs))
    x = layers.Dropout(0.1)(layers.GroupQueryAttention(4, 4, 2)(x, x))
    x = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(8)])(x)
    keras.Sequential([keras.Input((6,)), layers.Dense(8)]).add(layers.Softmax())
    return keras.Model(inputs, layers.Softmax()(x))


MODELS = (mlp, convnet, unbuilt, chain, branches, with_ops, nested, subclass, several_outputs, attention)
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"line_length": 120, "show_trainable": True},
    {"expand_nested": True, "line_length": 100},
    {"positions": [0.4, 0.6, 0.8, 1.0], "line_length": 110},
)


def text(model: Any, **options: Any) -> str:
    """The summary as printed where there is no terminal."""
    found: list[str] = []
    model.summary(print_fn=found.append, **options)
    return "\n".join(found)


def summaries(keras: Any) -> dict[str, str]:
    """All summaries of one library, by model and options."""
    found = {}
    for make in MODELS:
        keras.utils.clear_session()
        model = make(keras)
        for i, options in enumerate(OPTIONS):
            found[f"{make.__name__} {i}"] = text(model, **options)
        if len(model.layers) > 1:
            names = [model.layers[0].name, model.layers[1].name[:4]]
            found[f"{make.__name__} range"] = text(model, layer_range=names)
    return found
