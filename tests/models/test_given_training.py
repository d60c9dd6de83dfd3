"""`layer(x, training=…)` in a graph: a model's own `training`, where it has one, comes before it, as in Keras."""

import itertools
import json

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers
from gpunet.models import model_from_json

GIVEN = ({}, {"training": True}, {"training": False})
CALLED = ({}, *({"training": value} for value in (None, True, False)))
X = np.random.default_rng(0).standard_normal((6, 32)).astype("float32")


def recorder(library, seen):
    class Recorder(library.layers.Layer):
        """Notes the `training` of each of its calls."""

        def call(self, x, training=None):
            seen.append(training)
            return x

    return Recorder


def graph(library, layer, given, model_given):
    """A functional model with the layer, directly, in a layer, in a functional model and in a Sequential one."""

    class Wrapper(library.layers.Layer):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, x):
            return self.inner(x)

    class Variadic(Wrapper):
        def call(self, x, **others):
            assert ("training" not in others and "others" not in others) or library is not keras
            return self.inner(x)

    inputs = library.Input((32,))
    inner = library.Model(inputs, layer()(inputs, **given))
    stack = library.Sequential([library.Input((32,)), layer()])
    x = y = library.Input((32,))
    x = Wrapper(layer())(layer()(x, **given), **given)
    x = Variadic(layer())(x, **given)
    x = stack(inner(x, **model_given), **model_given)
    return library.Model(y, library.Model(y, x)(y, **model_given))


def seen_by(library, given, model_given):
    """What the layers of `graph` were called with, for every way to call it, in `fit` and in `predict`."""
    seen: list = []
    model = graph(library, recorder(library, seen), given, model_given)
    found = []
    for call in CALLED:
        seen.clear()
        model(X, **call)
        found.append(list(seen))
    model.compile(loss="mse")
    for run in (lambda: model.evaluate(X, X, verbose=0), lambda: model.predict(X, verbose=0)):
        seen.clear()
        run()
        found.append(seen[-5:])
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("given", "model_given"), [(a, b) for a, b in itertools.product(GIVEN, GIVEN) if b or not a])
def test_layers_see_what_they_see_in_keras(given, model_given, real_keras):
    """In Keras what one layer was given also reaches those that are called after it, which is left out here."""
    assert seen_by(keras, given, model_given) == seen_by(real_keras, given, model_given)


def test_the_models_own_training_comes_first():
    for given in (True, False):
        seen: list = []
        inputs = keras.Input((32,))
        model = keras.Model(inputs, recorder(keras, seen)()(inputs, training=given))
        seen.clear()
        for call in CALLED:
            model(X, **call)
        assert seen == [given, given, True, False]


def test_a_subclass_may_call_its_graph_with_another():
    seen: list = []

    class Always(keras.Model):
        def call(self, x, training=None):
            return super().call(x, training=True)

    inputs = keras.Input((32,))
    model = Always(inputs, layers.Dropout(0.5)(recorder(keras, seen)()(inputs)))
    seen.clear()
    assert (np.asarray(model(X, training=False)) == 0).any()
    assert seen == [True]


def noisy(library, given):
    inputs = library.Input((32,))
    x = library.layers.BatchNormalization(momentum=0.5)(inputs, **given)
    return library.Model(inputs, library.layers.Dropout(0.5, seed=3)(x, **given))


def behaviour(model):
    """For every way to call it: whether values are dropped, whether statistics move, and what of them comes out."""
    found = []
    for call in CALLED:
        before = model.layers[1].moving_mean.numpy()
        y = model(X, **call)
        y = np.asarray(y.detach() if hasattr(y, "detach") else y)
        found.append(((y == 0).any(), (model.layers[1].moving_mean.numpy() != before).any()))
    return found


@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_files_keep_it_both_ways(given, real_keras, tmp_path):
    expected = [(given.get("training", False),) * 2] * 2 + [(True, True), (False, False)]
    for writer, reader in itertools.product((keras, real_keras), repeat=2):
        model = noisy(writer, given)
        model.save(tmp_path / "model.keras")
        copy = reader.models.load_model(tmp_path / "model.keras")
        for m in (model, copy, writer.models.clone_model(model)):
            assert behaviour(m) == expected


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_recorded_calls_and_steps_do_the_same(given):
    model, other = (noisy(keras, given) for _ in range(2))
    for call in CALLED:
        run = keras.function(lambda x, call=call: model(x, **call))
        for _ in range(4):
            np.testing.assert_array_equal(run(X), other(X, **call))
    for m, jit_compile in ((model, True), (other, False)):
        m.compile("sgd", "mse", jit_compile=jit_compile)
    for _ in range(4):
        assert model.train_on_batch(X, X) == other.train_on_batch(X, X)
        np.testing.assert_array_equal(model.predict(X, verbose=0), other.predict(X, verbose=0))


def test_a_written_default_is_none():
    """Keras writes a signature's default where nobody gave a value; a call with it could not be fused."""
    config = json.loads(noisy(keras, {}).to_json())
    config["config"]["layers"][-1]["inbound_nodes"][0]["kwargs"] = {"training": False}
    model = model_from_json(json.dumps(config))
    assert model.get_config()["layers"][-1]["inbound_nodes"][0]["kwargs"] == {}
    assert behaviour(model) == [(False, False), (False, False), (True, True), (False, False)]
