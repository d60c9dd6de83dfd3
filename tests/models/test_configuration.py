"""Models as configurations, clones, copies and pickles."""

import copy
import json
import pickle

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, ops
from gpunet.models import clone_model
from gpunet.models.op_config import is_op_config
from gpunet.serialization import deserialize, register_keras_serializable, serialize

X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


def branching():
    """Two inputs by name, a shared layer, ops, a nested Sequential and a nested functional model, two outputs."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(4, activation="relu", name="shared")
    x = shared(a) + shared(b)
    wide = ops.concatenate([x, ops.relu(x)], axis=-1)
    stack = keras.Sequential([keras.Input((8,)), layers.Dense(3), layers.BatchNormalization(), layers.Dropout(0.5)])
    inner = keras.Input((4,))
    part = keras.Model(inner, layers.Dense(4)(inner)[:, 1:], name="part")
    y = ops.reshape(stack(wide), (-1, 3))
    y = layers.Add()([y, 2.0 * y, part(a), part(part_input(part, b))])
    return keras.Model({"a": a, "b": b}, [y, ops.mean(wide, axis=1)], name="branching")


def part_input(part, x):
    return ops.pad(part(x), [[0, 0], [0, 1]])


INPUTS = {"a": X, "b": 2 * X}


def through_json(config):
    return json.loads(json.dumps(config))


def same_outputs(one, other, inputs):
    for p, q in zip(one(inputs), other(inputs), strict=True):
        np.testing.assert_array_equal(p, q)


def test_functional_configuration_makes_the_same_graph():
    model = branching()
    config = through_json(serialize(model))
    other = deserialize(config)
    assert [op.name for op in other.operations] == [op.name for op in model.operations]
    assert other.input_names == ["a", "b"]
    assert through_json(serialize(other)) == config
    other.set_weights(model.get_weights())
    same_outputs(model, other, INPUTS)
    again = type(model).from_config(through_json(model.get_config()))
    again.set_weights(model.get_weights())
    same_outputs(model, again, INPUTS)


def test_operations_are_written_as_keras_writes_them():
    config = branching().get_config()
    written = {layer["name"]: layer for layer in config["layers"]}
    (joined,) = [layer for layer in config["layers"] if layer["class_name"] == "Concatenate"]
    assert joined["module"] == "keras.src.ops.numpy"
    assert joined["config"] == {"name": joined["name"], "axis": -1}
    assert [x["config"]["keras_history"][2] for x in joined["inbound_nodes"][0]["args"][0]] == [0, 0]
    assert len(written["shared"]["inbound_nodes"]) == 2
    assert sum(is_op_config(layer) for layer in config["layers"]) >= 6
    assert config["input_layers"] == {"a": ["a", 0, 0], "b": ["b", 0, 0]}


def test_order_of_layers_follows_depth():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    late = layers.Dense(4, name="late")(b)
    early = layers.Dense(4, name="second")(layers.Dense(4, name="first")(a))
    model = keras.Model([a, b], layers.Add(name="sum")([late, early]))
    assert [layer.name for layer in model.layers] == ["a", "b", "first", "late", "second", "sum"]


def test_a_model_from_an_intermediate_tensor_has_an_entrance_of_its_own():
    x = keras.Input((4,))
    hidden = layers.Dense(3)(x)
    head = keras.Model(hidden, layers.Dense(2)(hidden))
    assert len(head.weights) == 2
    other = deserialize(through_json(serialize(head)))
    other.set_weights(head.get_weights())
    np.testing.assert_array_equal(other(X[:, :3]), head(X[:, :3]))


def test_an_op_that_is_not_in_gpunet_is_refused_by_name():
    double = keras.custom_op(lambda x: x * 2, backward=lambda g, x: g * 2)
    x = keras.Input((4,))
    model = keras.Model(x, double(x))
    with pytest.raises(ValueError, match="functions of gpunet.ops only"):
        model.get_config()


def test_configurations_that_make_no_sense_are_refused():
    model = keras.Model(x := keras.Input((4,), name="x"), layers.Dense(2, name="d")(x))
    config = through_json(model.get_config())
    config["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = "nobody"
    with pytest.raises(ValueError, match="nobody"):
        keras.Model.from_config(config)
    config["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = "d"
    with pytest.raises(ValueError, match="depend on each other"):
        keras.Model.from_config(config)
    with pytest.raises(ValueError, match="nothing like this"):
        deserialize_op("Eval")


def deserialize_op(name):
    from gpunet.models.op_config import op_from_config

    return op_from_config({"module": "keras.src.ops.numpy", "class_name": name, "config": {}})


@register_keras_serializable("tests")
class Mlp(keras.Model):
    def __init__(self, units, rate=0.5, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden = [layers.Dense(units), layers.Dense(units)]
        self.head = layers.Dense(2)
        self.drop = layers.Dropout(rate)

    def call(self, x):
        for layer in self.hidden:
            x = layer(x)
        return self.head(self.drop(x))


@register_keras_serializable("tests")
class Wide(keras.Model):
    """A functional model with a constructor of its own."""

    def __init__(self, units, **kwargs):
        x = keras.Input((4,))
        super().__init__(x, layers.Dense(units)(x), **kwargs)
        self.units = units


@pytest.mark.parametrize("make", [lambda: Mlp(3, rate=0.25, name="mlp"), lambda: Wide(3)], ids=["subclass", "wide"])
def test_subclassed_models_come_back_from_their_arguments(make):
    model = make()
    model(X)
    config = through_json(serialize(model))
    other = deserialize(config)
    assert (type(other).__name__, other.units, other.name) == (type(model).__name__, 3, model.name)
    assert other.built
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(other(X), model(X))


def test_clones_have_weights_of_their_own():
    model = branching()
    clone = clone_model(model)
    assert [v.shape for v in clone.weights] == [v.shape for v in model.weights]
    assert not {id(v) for v in clone.weights} & {id(v) for v in model.weights}
    clone.set_weights(model.get_weights())
    same_outputs(model, clone, INPUTS)
    a, b = keras.Input((4,)), keras.Input((4,))
    assert clone_model(model, {"a": a, "b": b}).inputs == [a, b]
    with pytest.raises(ValueError, match="2 symbolic tensors"):
        clone_model(model, [a])


def test_clone_function_makes_the_layers():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])

    def clone(layer):
        return layers.Dense(layer.units * 2)

    assert clone_model(model, clone_function=clone).output_shape == (None, 4)
    functional = keras.Model(model.input, model.output)
    assert clone_model(functional, clone_function=clone).output_shape == (None, 4)
    with pytest.raises(ValueError, match="clone_function"):
        clone_model(Mlp(3), clone_function=clone)


def test_call_function_calls_the_copies():
    model = branching()

    def call(layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        return layers.Dropout(0.5)(outputs) if isinstance(layer, layers.Dense) else outputs

    def count(found):
        return sum(isinstance(x, layers.Dropout) for x in found._flatten_layers())

    same = clone_model(model, clone_function=lambda layer: layer, call_function=call)
    assert count(same) == count(model) + 2
    assert {id(v) for v in same.weights} == {id(v) for v in model.weights}
    same_outputs(model, same, INPUTS)
    deep = clone_model(model, call_function=call, recursive=True)
    assert count(deep) == count(model) + 3  # the one in the functional model within too
    with pytest.raises(ValueError, match="`call_function` argument is not supported with Sequential models"):
        clone_model(keras.Sequential([layers.Dense(1)]), call_function=call)


@pytest.mark.parametrize("make", [branching, lambda: Mlp(3)], ids=["functional", "subclass"])
@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_copies_go_their_own_way(make, how):
    model = make()
    inputs = X if isinstance(model, Mlp) else INPUTS
    model.compile("adam", "mse")
    targets = np.ones((5, 2)) if isinstance(model, Mlp) else [np.ones((5, 3)), np.ones((5,))]
    model.fit(inputs, targets, verbose=0)
    other = how(model)
    before = model.get_weights()
    for w, v in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(w, v)
    if not isinstance(model, Mlp):
        assert through_json(other.get_config()) == through_json(model.get_config())
    other.fit(inputs, targets, verbose=0)
    assert any((w != v).any() for w, v in zip(before, other.get_weights()))
    for w, v in zip(before, model.get_weights()):
        np.testing.assert_array_equal(w, v)


def test_a_clone_is_compiled_as_its_model_is():
    """By functions of one's own too, and with state of its own."""

    def own(y_true, y_pred):
        return (y_true - y_pred) ** 2

    inputs = keras.Input((3,))
    for loss in ("mse", own, lambda a, b: abs(a - b), keras.losses.Huber()):
        for model in (
            keras.Model(inputs, layers.Dense(2)(inputs)),
            keras.Sequential([keras.Input((3,)), layers.Dense(2)]),
        ):
            model.compile(keras.optimizers.Adam(0.1), loss, metrics=["mae", own])
            copy = clone_model(model)
            copy.set_weights(model.get_weights())
            x, y = np.ones((4, 3), "float32"), np.zeros((4, 2), "float32")
            assert model.train_on_batch(x, y) == copy.train_on_batch(x, y)
            assert copy.optimizer is not model.optimizer
    assert not clone_model(keras.Sequential([layers.Dense(2)])).compiled
