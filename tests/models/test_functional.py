"""Functional, sequential and subclassed models as graphs of layers."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, ops

X = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


def test_ops_and_operators_on_symbolic_tensors():
    x = keras.Input((3,))
    y = ops.relu(x) * 2 - x / 4 + ops.sum(x, axis=1, keepdims=True)
    y = ops.concatenate([y[:, :1], -y], axis=1)
    assert y.shape == (None, 4)
    model = keras.Model(x, y)
    z = np.maximum(X, 0) * 2 - X / 4 + X.sum(1, keepdims=True)
    np.testing.assert_allclose(model(X), np.concatenate([z[:, :1], -z], 1), rtol=1e-5)


def test_symbolic_tensors_have_no_data():
    x = keras.Input((3,))
    for use in (bool, float, list, np.exp, len):
        with pytest.raises(TypeError):
            use(x)


def test_inputs_by_name_and_structure():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model([a, b], a - b)
    expected = X - 2 * X
    for inputs in ([X, 2 * X], (X, 2 * X), {"a": X, "b": 2 * X}, {"b": 2 * X, "a": X}):
        np.testing.assert_array_equal(model(inputs), expected)
    assert model.input_names == ["a", "b"]
    assert model.input_shape == [(None, 3), (None, 3)]


def test_rank_of_inputs_is_adjusted_by_a_last_axis_of_one():
    x = keras.Input((3, 1))
    model = keras.Model(x, layers.Flatten()(x))
    assert model(X).shape == (5, 3)
    flat = keras.Input((3,))
    model = keras.Model(flat, layers.Dense(1)(flat))
    assert model(X[..., None]).shape == (5, 1)


def test_inputs_are_cast_to_their_declared_dtype():
    x = keras.Input((), dtype="int32")
    model = keras.Model(x, ops.one_hot(x, 4))
    np.testing.assert_array_equal(model(np.array([1, 3], "int64")), np.eye(4)[[1, 3]])


def test_reuse_parts_and_intermediate_outputs():
    x = keras.Input((3,))
    hidden = layers.Dense(4, name="hidden")(x)
    out = layers.Dense(2)(hidden)
    model, part = keras.Model(x, out), keras.Model(x, hidden)
    tail = keras.Model(hidden, out)
    np.testing.assert_allclose(tail(part(X)), model(X), rtol=1e-6)
    assert part.get_layer("hidden") is model.get_layer("hidden") is model.get_layer(index=1)
    on_new_input = model(keras.Input((3,)))
    assert on_new_input.shape == (None, 2)
    assert len(keras.Model(x, [out, hidden]).weights) == 4


def test_an_output_that_is_an_input():
    x = keras.Input((3,))
    model = keras.Model(x, [x, x * 2])
    same, double = model(X)
    np.testing.assert_array_equal(same, X)
    np.testing.assert_array_equal(double, 2 * X)


def test_values_that_are_used_twice_survive():
    x = keras.Input((3,))
    y = layers.Activation("tanh")(x)
    z = layers.Add()([y, y, layers.Activation("relu")(y)])
    t = np.tanh(X)
    np.testing.assert_allclose(keras.Model(x, z)(X), 2 * t + np.maximum(t, 0), rtol=1e-5)


def test_subclass_that_passes_inputs_and_outputs():
    class Named(keras.Model):
        def greet(self):
            return f"hello from {self.name}"

    x = keras.Input((3,))
    model = Named(x, layers.Dense(1)(x), name="n")
    assert model.greet() == "hello from n"
    assert isinstance(model, keras.Model)
    assert model(X).shape == (5, 1)
    assert model.output_names == ["dense"] or model.output_names[0].startswith("dense")


def test_sequential_is_built_late_or_early():
    late = keras.Sequential([layers.Dense(4), layers.Dense(2)])
    assert not late.built
    assert late.weights == []
    with pytest.raises(AttributeError, match="no defined inputs"):
        late.output_shape  # noqa: B018
    late(X)
    assert late.output_shape == (None, 2) or late.output_shape == (5, 2)
    late = keras.Sequential([layers.Dense(4), layers.Dense(2)])
    late.build((None, 3))
    assert late.output_shape == (None, 2)
    early = keras.Sequential([keras.Input((3,)), layers.Dense(4)])
    assert early.built
    early.add(layers.Dense(2))
    assert early.output_shape == (None, 2)
    assert early.pop().units == 2
    assert early(X).shape == (5, 4)
    old = keras.Sequential([layers.Dense(4, input_shape=(3,))])
    assert old.built


def test_sequential_knows_the_input_of_a_model_that_it_begins_with():
    first = keras.Sequential([keras.Input((3,)), layers.Dense(4)])
    model = keras.Sequential([first, keras.Sequential([layers.Dense(2)])])
    assert (model.built, model.output_shape, len(model.weights)) == (True, (None, 2), 4)
    assert not keras.Sequential([keras.Sequential([layers.Dense(2)]), layers.Dense(2)]).built


def test_outputs_of_layers_of_a_grown_sequential():
    model = keras.Sequential()
    model.add(keras.Input((3,)))
    for units in (4, 5, 2):
        model.add(layers.Dense(units, activation="tanh"))
    assert [layer.output.shape for layer in model.layers] == [(None, 4), (None, 5), (None, 2)]
    features = keras.Model(model.inputs, model.layers[1].output)
    w = model.get_weights()
    np.testing.assert_allclose(features(X), np.tanh(np.tanh(X @ w[0] + w[1]) @ w[2] + w[3]), rtol=1e-5)
    assert model.layers[1].input.shape == (None, 4)
    with pytest.raises(AttributeError, match="never been called"):
        layers.Dense(2).output  # noqa: B018


def test_copies_and_pickles():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(X, np.zeros((5, 2)), verbose=0)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))
        before = model.get_weights()
        other.fit(X, np.ones((5, 2)), verbose=0)
        assert (other.get_weights()[0] != before[0]).any()
        np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_predict_from_many_threads():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(2)])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: model.predict(X, verbose=0), range(24)))
    for y in found[1:]:
        np.testing.assert_array_equal(y, found[0])


def test_sequential_takes_any_batch_after_its_first():
    model = keras.Sequential([layers.Dense(4)])
    model(X)
    assert model(X[:2]).shape == (2, 4)
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((5, 4)), batch_size=2, verbose=0)
    assert model.predict(X, batch_size=3, verbose=0).shape == (5, 4)


def test_sequential_configuration():
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(2, 3, activation="relu"), layers.Flatten(), layers.Dense(3)], name="net"
    )
    copy = keras.Sequential.from_config(model.get_config())
    assert copy.name == "net"
    assert copy.built
    assert [type(a) for a in copy.layers] == [type(a) for a in model.layers]
    assert [a.name for a in copy.layers] == [a.name for a in model.layers]
    copy.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1))
    np.testing.assert_array_equal(copy(x), model(x))


def test_nested_models_share_and_freeze():
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3)], name="inner")
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(1)(inner(inner(x))))
    assert len(model.weights) == 4
    inner.trainable = False
    assert len(model.trainable_weights) == 2
    w = inner.get_weights()
    np.testing.assert_allclose(inner(inner(X)), (X @ w[0]) @ w[0], rtol=1e-5)


def summary(model, **arguments):
    lines = []
    model.summary(print_fn=lines.append, **arguments)
    return "\n".join(lines)


def test_summary():
    keras.utils.clear_session()
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(1234, activation="relu"),
        ]
    )
    text = summary(model, line_length=100)
    assert 'Model: "sequential"' in text
    for part in ("conv2d (Conv2D)", "(None, 6, 6, 4)", "40", "flatten (Flatten)", "(None, 144)", "178,930"):
        assert part in text, part
    assert "Total params: 178,986 (699.16 KB)" in text
    assert "Trainable params: 178,978" in text
    assert "Non-trainable params: 8 (32.00 B)" in text
    assert "Optimizer" not in text
    model.layers[0].trainable = False
    assert "Trainable params: 178,938" in summary(model)
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 8, 8, 1)), np.zeros((2, 1234)), verbose=0)
    assert "Optimizer params: " in summary(model)
    assert all(len(line) <= 80 for line in summary(model, line_length=80).splitlines())


def test_summary_of_a_graph_and_of_unbuilt_models():
    a, b = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="deep")], name="inner")
    model = keras.Model([a, b], layers.Add(name="sum")([inner(a), inner(b)]))
    text = summary(model, line_length=120)
    assert "Connected to" in text
    assert "inner[0][0]" in text
    assert "deep" not in text
    assert "deep (Dense)" in summary(model, expand_nested=True, line_length=120)
    assert "Trainable" in summary(model, show_trainable=True, line_length=120).splitlines()[2]
    unbuilt = summary(keras.Sequential([layers.Dense(2)]))
    assert "unbuilt" in unbuilt
    assert "?" in unbuilt
    chosen = summary(model, layer_range=("right", "sum"), line_length=120)
    assert "left (" not in chosen


def test_count_params():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(2, use_bias=False)])
    assert model.count_params() == 12 + 4 + 8


class Times(keras.Operation):
    """Without weights, and with an argument of its own."""

    def __init__(self, factor, name=None):
        super().__init__(name=name)
        self.factor = factor

    def call(self, x):
        return x * self.factor


def test_an_operation_of_ones_own():
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(Times(2)(x), 2 * x)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, Times(4, name="times")(inputs))
    np.testing.assert_array_equal(model(x), 4 * x)
    again = keras.Model.from_config(model.get_config(), custom_objects={"Times": Times})
    np.testing.assert_array_equal(again(x), 4 * x)


def test_model_from_json():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.Dense(2)(inputs))
    again = keras.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(np.ones((1, 3))), model(np.ones((1, 3))))
    with pytest.raises(ValueError, match="model_from_json expected"):
        keras.models.model_from_json("{")


def test_a_subclassed_model_is_built_with_the_dtypes_of_its_inputs():
    class Rows(keras.Model):
        def __init__(self):
            super().__init__()
            self.table, self.head = keras.ops.ones((5, 3)), layers.Dense(2)

        def call(self, inputs):
            rows = keras.ops.take(self.table, inputs["rows"], axis=0)
            return self.head(rows) * keras.ops.where(inputs["wanted"], 1.0, 0.0)

    model = Rows()
    y = model({"rows": np.array([0, 4, 2]), "wanted": np.ones((3, 1), bool)})
    assert y.shape == (3, 2)
    assert [w.shape for w in model.weights] == [(3, 2), (2,)]


def test_names_are_unique():
    x = keras.Input((3,))
    shared = layers.Dense(3, name="same")
    keras.Model(x, shared(shared(x)))
    with pytest.raises(ValueError, match='The name "same" is used 2 times in the model'):
        keras.Model(x, layers.Dense(3, name="same")(shared(x)))


def test_only_layers_are_added():
    with pytest.raises(ValueError, match="Only instances of `gpunet.Layer`"):
        keras.Sequential([3])
