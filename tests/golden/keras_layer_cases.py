"""What layers, losses, metrics, optimizers and whole trainings compute, the same code for Keras and for gpunet.

`results(library)` returns arrays by name. `make_keras_layers.py` writes Keras's to a file, the tests compare gpunet's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

# (layer, arguments, input shapes, training)
LAYERS: list[tuple[str, dict[str, Any], list[tuple[int, ...]], bool | None]] = [
    ("Dense", {"units": 5}, [(3, 4)], None),
    ("Dense", {"units": 3, "activation": "tanh", "use_bias": False}, [(2, 3, 4)], None),
    ("Dense", {"units": 3, "activation": "relu"}, [(2, 2, 3, 4)], None),
    ("Conv2D", {"filters": 4, "kernel_size": 3}, [(2, 6, 7, 3)], None),
    ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "strides": (2, 1), "padding": "same"}, [(2, 7, 6, 3)], None),
    ("Conv2D", {"filters": 4, "kernel_size": 2, "strides": 2, "padding": "same"}, [(2, 7, 5, 2)], None),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "activation": "relu"}, [(1, 9, 8, 2)], None),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 2, "padding": "same"}, [(2, 5, 5, 4)], None),
    (
        "Conv2D",
        {"filters": 3, "kernel_size": 3, "data_format": "channels_first", "use_bias": True},
        [(2, 2, 5, 6)],
        None,
    ),
    ("Conv2D", {"filters": 3, "kernel_size": 5, "padding": "same", "activation": "sigmoid"}, [(1, 3, 4, 2)], None),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3}, [(2, 4, 5, 2)], None),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, [(2, 4, 3, 2)], None),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "strides": 3, "activation": "relu"}, [(2, 4, 3, 2)], None),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 4, "strides": 2, "output_padding": 1}, [(1, 3, 3, 2)], None),
    (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "data_format": "channels_first"},
        [(2, 3, 4, 5)],
        None,
    ),
    ("MaxPooling2D", {}, [(2, 6, 7, 3)], None),
    ("MaxPooling2D", {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"}, [(2, 6, 7, 3)], None),
    ("MaxPooling2D", {"pool_size": 2, "data_format": "channels_first"}, [(2, 3, 6, 7)], None),
    ("AveragePooling2D", {"pool_size": 2}, [(2, 6, 7, 3)], None),
    ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, [(2, 6, 7, 3)], None),
    ("AveragePooling2D", {"pool_size": (2, 3), "strides": 1}, [(2, 6, 7, 3)], None),
    ("GlobalAveragePooling2D", {}, [(2, 3, 4, 5)], None),
    ("GlobalAveragePooling2D", {"keepdims": True, "data_format": "channels_first"}, [(2, 3, 4, 5)], None),
    ("MaxPooling1D", {}, [(2, 7, 3)], None),
    ("MaxPooling3D", {"pool_size": (2, 3, 1), "strides": 2, "padding": "same"}, [(1, 4, 5, 3, 2)], None),
    ("AveragePooling1D", {"pool_size": 3, "strides": 2, "data_format": "channels_first"}, [(2, 3, 8)], None),
    ("AveragePooling3D", {"pool_size": 2}, [(1, 4, 5, 3, 2)], None),
    ("GlobalAveragePooling1D", {}, [(2, 6, 3)], None),
    ("GlobalAveragePooling3D", {"keepdims": True}, [(2, 3, 2, 4, 5)], None),
    ("GlobalMaxPooling1D", {"keepdims": True}, [(2, 6, 3)], None),
    ("GlobalMaxPooling2D", {"data_format": "channels_first"}, [(2, 3, 4, 5)], None),
    ("GlobalMaxPooling3D", {}, [(2, 3, 2, 4, 5)], None),
    ("BatchNormalization", {}, [(4, 3)], False),
    ("BatchNormalization", {"momentum": 0.7, "epsilon": 1e-2}, [(4, 3, 2, 5)], True),
    ("BatchNormalization", {"axis": 1, "scale": False}, [(4, 3, 2, 5)], True),
    ("BatchNormalization", {"center": False, "scale": False}, [(4, 3)], True),
    ("BatchNormalization", {"axis": 1}, [(2, 3, 4, 2)], False),
    ("Flatten", {}, [(2, 3, 4)], None),
    ("Flatten", {"data_format": "channels_first"}, [(2, 3, 4, 2)], None),
    ("Reshape", {"target_shape": (4, -1)}, [(2, 6, 2)], None),
    ("Dropout", {"rate": 0.5}, [(2, 6)], False),
    ("ReLU", {}, [(3, 4)], None),
    ("ReLU", {"max_value": 0.7, "negative_slope": 0.1, "threshold": 0.2}, [(5, 6)], None),
    ("Softmax", {}, [(3, 4)], None),
    ("Softmax", {"axis": 1}, [(3, 4, 2)], None),
    ("Add", {}, [(2, 3), (2, 3), (2, 3)], None),
    ("Add", {}, [(2, 1, 3), (2, 4, 1)], None),
    ("Concatenate", {}, [(2, 3), (2, 1)], None),
    ("Concatenate", {"axis": 1}, [(2, 3, 2), (2, 1, 2), (2, 2, 2)], None),
    ("UpSampling2D", {}, [(2, 3, 4, 2)], None),
    ("UpSampling2D", {"size": (1, 3), "interpolation": "bilinear"}, [(2, 3, 4, 2)], None),
    ("UpSampling2D", {"size": 2, "interpolation": "bilinear", "data_format": "channels_first"}, [(1, 2, 3, 4)], None),
    *[
        ("Activation", {"activation": name}, [(4, 6)], None)
        for name in (
            "relu linear exponential celu elu gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh "
            "leaky_relu log_sigmoid log_softmax mish relu6 selu sigmoid silu swish soft_shrink softmax softplus "
            "softsign tanh tanh_shrink"
        ).split()
    ],
]

# (loss, arguments, kind of data)
LOSSES: list[tuple[str, dict[str, Any], str]] = [
    ("MeanSquaredError", {}, "regression"),
    ("MeanSquaredError", {}, "vector"),
    ("MeanSquaredError", {}, "sequence"),
    ("MeanAbsoluteError", {}, "regression"),
    ("MeanAbsoluteError", {}, "vector"),
    ("Huber", {"delta": 0.7}, "regression"),
    ("KLDivergence", {}, "distribution"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {}, "binary_vector"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, "binary_logits"),
    ("CategoricalCrossentropy", {}, "one_hot"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.3}, "one_hot"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "one_hot_logits"),
    ("SparseCategoricalCrossentropy", {}, "labels"),
    ("SparseCategoricalCrossentropy", {}, "column_labels"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "label_logits"),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 1}, "label_logits"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "label_maps"),
]
REDUCTIONS = ("sum_over_batch_size", "sum", "none", "mean", "mean_with_sample_weight")

# (metric, arguments, kind of data)
METRICS: list[tuple[str, dict[str, Any], str]] = [
    ("Accuracy", {}, "equal_labels"),
    ("BinaryAccuracy", {}, "binary"),
    ("BinaryAccuracy", {"threshold": 0.3}, "binary_vector"),
    ("CategoricalAccuracy", {}, "one_hot"),
    ("SparseCategoricalAccuracy", {}, "labels"),
    ("SparseCategoricalAccuracy", {}, "column_labels"),
    ("SparseCategoricalAccuracy", {}, "label_maps"),
    ("MeanSquaredError", {}, "regression"),
    ("MeanSquaredError", {}, "vector"),
    ("MeanAbsoluteError", {}, "sequence"),
    ("RootMeanSquaredError", {}, "regression"),
]

# (optimizer, arguments)
OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.01}),
    ("SGD", {"learning_rate": 0.1, "clipnorm": 0.7}),
    ("SGD", {"learning_rate": 0.1, "clipvalue": 0.3}),
    ("SGD", {"learning_rate": 0.1, "global_clipnorm": 0.7}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "use_ema": True, "ema_momentum": 0.8}),
    ("SGD", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 4}),
    ("RMSprop", {"learning_rate": 0.01}),
    ("RMSprop", {"learning_rate": 0.01, "momentum": 0.9, "rho": 0.8}),
    ("RMSprop", {"learning_rate": 0.01, "centered": True, "rho": 0.95}),
    ("RMSprop", {"learning_rate": 0.01, "centered": True, "momentum": 0.5, "epsilon": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"learning_rate": 0.01}),
    ("Adam", {"learning_rate": 0.01, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True, "weight_decay": 0.1, "global_clipnorm": 1.0}),
    ("Adam", {"learning_rate": 0.01, "gradient_accumulation_steps": 3}),
    ("Adam", {"learning_rate": 0.01, "loss_scale_factor": 8.0}),
]

REGULARIZERS: list[tuple[str, dict[str, Any]]] = [
    ("L1", {"l1": 0.1}),
    ("L2", {"l2": 0.2}),
    ("L1L2", {"l1": 0.1, "l2": 0.3}),
    ("OrthogonalRegularizer", {"factor": 0.5}),
    ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
]
CONSTRAINTS: list[tuple[str, dict[str, Any]]] = [
    ("MaxNorm", {"max_value": 1.0}),
    ("MaxNorm", {"max_value": 1.0, "axis": 1}),
    ("NonNeg", {}),
    ("UnitNorm", {"axis": 1}),
    ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.0, "rate": 0.3}),
]


def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def data(kind: str, rng: np.random.Generator, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of a kind, for n samples of 4 classes or features."""
    logits = rng.standard_normal((n, 4)) * 2
    labels = rng.integers(0, 4, n)
    yes = rng.integers(0, 2, (n, 4))
    table = {
        "regression": lambda: (rng.standard_normal((n, 4)), logits),
        "vector": lambda: (rng.standard_normal(n), logits[:, :1]),
        "sequence": lambda: (rng.standard_normal((n, 3)), rng.standard_normal((n, 3, 1))),
        "distribution": lambda: (_softmax(rng.standard_normal((n, 4))), _softmax(logits)),
        "binary": lambda: (yes, 1 / (1 + np.exp(-logits))),
        "binary_vector": lambda: (yes[:, 0], 1 / (1 + np.exp(-logits[:, :1]))),
        "binary_logits": lambda: (yes, logits * 10),
        "one_hot": lambda: (np.eye(4)[labels], _softmax(logits)),
        "one_hot_logits": lambda: (np.eye(4)[labels], logits * 10),
        "labels": lambda: (labels, _softmax(logits)),
        "column_labels": lambda: (labels[:, None], _softmax(logits)),
        "label_logits": lambda: (labels, logits),
        "label_maps": lambda: (rng.integers(0, 4, (n, 2, 3)), rng.standard_normal((n, 2, 3, 4))),
        "equal_labels": lambda: (labels, rng.integers(0, 4, n)),
    }
    y_true, y_pred = table[kind]()
    floats = y_true.dtype.kind == "f"
    return y_true.astype("float32" if floats else "int32"), y_pred.astype(
        "int32" if y_pred.dtype.kind == "i" else "float32"
    )


def array(x: Any) -> np.ndarray:
    """A NumPy copy of a tensor of either library."""
    x = x.detach() if hasattr(x, "detach") else x
    return np.array(x)


def randomize(layer: Any, rng: np.random.Generator) -> None:
    """Give a built layer random weights; variances come out positive."""
    layer.set_weights([np.abs(rng.standard_normal(w.shape)).astype("float32") + 0.1 for w in layer.get_weights()])


def _layers(library: Any) -> Iterator[tuple[str, Any]]:
    for k, (name, arguments, shapes, training) in enumerate(LAYERS):
        rng = np.random.default_rng([1, k])
        inputs = [rng.standard_normal(shape).astype("float32") for shape in shapes]
        layer = getattr(library.layers, name)(**arguments)
        layer.build([x.shape for x in inputs] if len(inputs) > 1 else inputs[0].shape)
        randomize(layer, rng)
        tensors = [library.ops.convert_to_tensor(x) for x in inputs]
        call = {} if training is None else {"training": training}
        yield f"layer/{k:02d}-{name}", layer(tensors if len(tensors) > 1 else tensors[0], **call)
        for i, w in enumerate(layer.get_weights() if training else ()):
            yield f"layer/{k:02d}-{name}/weight{i}", w


def _losses(library: Any) -> Iterator[tuple[str, Any]]:
    for k, (name, arguments, kind) in enumerate(LOSSES):
        y_true, y_pred = data(kind, np.random.default_rng([2, k]))
        ragged = kind in ("label_maps",)
        weight = np.array([0.5, 1, 0, 2, 1.5, 1], "float32")
        weight = weight.reshape(6, 1, 1) if ragged else weight
        for reduction in REDUCTIONS:
            loss = getattr(library.losses, name)(reduction=reduction, **arguments)
            key = f"loss/{k:02d}-{name}/{reduction}"
            yield key, loss(y_true, y_pred)
            if reduction != "mean_with_sample_weight" or not ragged:
                yield f"{key}/weighted", loss(y_true, y_pred, sample_weight=weight)


def _metrics(library: Any) -> Iterator[tuple[str, Any]]:
    for k, (name, arguments, kind) in enumerate(METRICS):
        for weighted in (False, True):
            metric = getattr(library.metrics, name)(**arguments)
            for batch in range(3):
                rng = np.random.default_rng([3, k, batch])
                y_true, y_pred = data(kind, rng, n=5 + 2 * batch)
                weight = rng.uniform(0, 2, len(y_true)).astype("float32") if weighted else None
                metric.update_state(y_true, y_pred, sample_weight=weight)
                yield f"metric/{k:02d}-{name}/{weighted}/{batch}", metric.result()


def _optimizers(library: Any) -> Iterator[tuple[str, Any]]:
    for k, (name, arguments) in enumerate(OPTIMIZERS):
        for scale in (1.0, 1e-4):
            rng = np.random.default_rng([4, k])
            optimizer = getattr(library.optimizers, name)(**arguments)
            values = [rng.standard_normal((3, 4)).astype("float32"), rng.standard_normal(4).astype("float32")]
            variables = [library.Variable(v) for v in values]
            optimizer.build(variables)
            for step in range(12):
                if step == 7:
                    optimizer.learning_rate = arguments["learning_rate"] * 0.3
                gradients = [(rng.standard_normal(v.shape) * scale).astype("float32") for v in values]
                optimizer.apply([library.ops.convert_to_tensor(g) for g in gradients], variables)
                if step in (0, 6, 11):
                    for i, v in enumerate(variables):
                        yield f"optimizer/{k:02d}-{name}/{scale}/{step}/{i}", v.numpy() if hasattr(v, "array") else v
            optimizer.finalize_variable_values(variables)
            for i, v in enumerate(variables):
                yield f"optimizer/{k:02d}-{name}/{scale}/final/{i}", v


def _weight_functions(library: Any) -> Iterator[tuple[str, Any]]:
    w = library.ops.convert_to_tensor(np.random.default_rng(5).standard_normal((4, 3)).astype("float32"))
    for k, (name, arguments) in enumerate(REGULARIZERS):
        yield f"regularizer/{k}-{name}", getattr(library.regularizers, name)(**arguments)(w)
    for k, (name, arguments) in enumerate(CONSTRAINTS):
        yield f"constraint/{k}-{name}", getattr(library.constraints, name)(**arguments)(w)


def _perceptron(library: Any) -> Any:
    layers, regularizers = library.layers, library.regularizers
    return library.Sequential(
        [
            library.Input((4,)),
            layers.Dense(6, activation="tanh", kernel_regularizer=regularizers.L2(0.01), activity_regularizer="l2"),
            layers.BatchNormalization(momentum=0.8),
            layers.Dense(3, activation="softmax", kernel_constraint=library.constraints.MaxNorm(1.0)),
        ]
    )


def _convolutional(library: Any) -> Any:
    layers = library.layers
    inputs = library.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    y = layers.Conv2D(4, 3, padding="same", strides=1, use_bias=False)(x)
    x = layers.Add()([x, layers.BatchNormalization()(y)])
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2DTranspose(3, 3, strides=2, padding="same")(x)
    x = layers.AveragePooling2D(3)(x)
    return library.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))


def _trainings(library: Any) -> Iterator[tuple[str, Any]]:
    """`fit` and `evaluate` with weights, validation data, a last partial batch and several metrics."""
    rng = np.random.default_rng(6)
    y = rng.integers(0, 3, 22)
    weight = rng.uniform(0.2, 2, 22).astype("float32")
    for name, make, shape in (("mlp", _perceptron, (4,)), ("conv", _convolutional, (6, 6, 2))):
        x = rng.standard_normal((22, *shape)).astype("float32")
        loss = library.losses.SparseCategoricalCrossentropy(from_logits=name == "conv")
        for how, arguments in (
            ("plain", {}),
            ("sample_weight", {"sample_weight": weight}),
            ("class_weight", {"class_weight": {0: 0.5, 2: 2.0}}),
        ):
            model = make(library)
            randomize(model, np.random.default_rng(7))
            optimizer = library.optimizers.SGD(0.05, momentum=0.9)
            model.compile(optimizer, loss, metrics=["accuracy"], weighted_metrics=["accuracy"])
            history = model.fit(
                x, y, batch_size=8, epochs=3, shuffle=False, verbose=0, validation_data=(x, y, weight), **arguments
            )
            for log, values in history.history.items():
                yield f"training/{name}/{how}/{log}", np.array(values)
            for i, w in enumerate(model.get_weights()):
                yield f"training/{name}/{how}/weight{i}", w
            found = model.evaluate(x, y, batch_size=8, sample_weight=weight, return_dict=True, verbose=0)
            yield f"training/{name}/{how}/evaluate", np.array([found[key] for key in sorted(found)])


def _two_outputs(library: Any) -> Iterator[tuple[str, Any]]:
    """Losses, loss weights and metrics of a model with two outputs."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal((10, 4)).astype("float32")
    y = {"a": rng.standard_normal((10, 2)).astype("float32"), "b": rng.integers(0, 3, 10)}
    inputs = library.Input((4,))
    a = library.layers.Dense(2, name="a")(inputs)
    b = library.layers.Dense(3, activation="softmax", name="b")(inputs)
    model = library.Model(inputs, {"a": a, "b": b})
    randomize(model, np.random.default_rng(9))
    model.compile(
        "sgd",
        loss={"a": "mse", "b": "sparse_categorical_crossentropy"},
        loss_weights={"a": 0.3, "b": 2.0},
        metrics={"a": ["mae"], "b": ["accuracy"]},
    )
    logs = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0).history
    for log, values in logs.items():
        yield f"two_outputs/{log}", np.array(values)
    yield "two_outputs/evaluate", np.array(model.evaluate(x, y, verbose=0))


PARTS = (_layers, _losses, _metrics, _optimizers, _weight_functions, _trainings, _two_outputs)


def results(library: Any) -> dict[str, np.ndarray]:
    """What `library`, Keras or gpunet, computes in all cases."""
    return {key: array(value) for part in PARTS for key, value in part(library)}
