"""Models as scikit-learn's estimators: in its pipelines and searches, with the results of Keras's wrappers."""

import pickle
import sys

import numpy as np
import pytest

import gpunet

sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

RNG = np.random.default_rng(0)
X = np.random.default_rng(1).standard_normal((60, 4)).astype("float32")
NAMES = np.array(["cat", "dog", "emu"])[X[:, :3].argmax(axis=1)]
VALUES = X @ np.array([1.0, -1.0, 0.5, 0.0], "float32")
QUIET = {"epochs": 40, "verbose": 0}


def network(X, y, units=16, library=gpunet, loss="categorical_crossentropy"):
    last = "softmax" if loss == "categorical_crossentropy" else None
    stack = [library.layers.Dense(units, "relu"), library.layers.Dense(y.shape[1] if y.ndim > 1 else 1, last)]
    model = library.Sequential([library.Input(X.shape[1:]), *stack])
    model.compile(library.optimizers.Adam(0.02), loss)
    return model


def with_weights(library):
    """A function that makes networks of the same weights in both libraries."""

    def make(X, y, loss="categorical_crossentropy"):
        model = network(X, y, 8, library, loss)
        rng = np.random.default_rng(4)
        model.set_weights([rng.standard_normal(w.shape).astype("float32") * 0.3 for w in model.get_weights()])
        return model

    return make


@pytest.mark.filterwarnings("ignore")
def test_keras_predicts_the_same(real_keras):
    wrappers = [(library, library.wrappers) for library in (gpunet, real_keras)]
    fit = {"epochs": 3, "verbose": 0, "shuffle": False}
    a, b = (w.SKLearnClassifier(with_weights(k), fit_kwargs=fit).fit(X, NAMES) for k, w in wrappers)
    np.testing.assert_allclose(a.decision_function(X), b.decision_function(X), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(a.classes_, b.classes_)
    mse = {"loss": "mse"}
    for kind, method in (("SKLearnRegressor", "predict"), ("SKLearnTransformer", "transform")):
        a, b = (getattr(w, kind)(with_weights(k), model_kwargs=mse).fit(X, VALUES, **fit) for k, w in wrappers)
        found, expected = getattr(a, method)(X), getattr(b, method)(X)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_classifies_words_in_pipelines_and_searches():
    estimator = gpunet.wrappers.SKLearnClassifier(network, fit_kwargs=QUIET)
    pipeline = make_pipeline(StandardScaler(), estimator).fit(X, NAMES)
    assert set(pipeline.predict(X)) == set(NAMES)
    assert pipeline.score(X, NAMES) > 0.9
    assert cross_val_score(estimator, X, NAMES, cv=2).min() > 0.5
    search = GridSearchCV(estimator, {"model_kwargs": [{"units": 2}, {"units": 16}]}, cv=2).fit(X, NAMES)
    assert search.best_estimator_.score(X, NAMES) > 0.8
    copy = pickle.loads(pickle.dumps(pipeline.steps[-1][1]))
    np.testing.assert_array_equal(copy.predict(X), pipeline.steps[-1][1].predict(X))


def test_a_compiled_model_is_cloned_unless_it_is_to_go_on():
    model = network(X, VALUES[:, None], loss="mse")
    before = model.get_weights()
    estimator = gpunet.wrappers.SKLearnRegressor(model, fit_kwargs=QUIET).fit(X, VALUES)
    assert estimator.score(X, VALUES) > 0.5
    assert estimator.predict(X).shape == (60,)
    assert clone(estimator).get_params() == estimator.get_params()
    np.testing.assert_array_equal(before[0], model.get_weights()[0])
    going_on = gpunet.wrappers.SKLearnRegressor(model, warm_start=True).fit(X, VALUES, **QUIET)
    assert going_on.model_ is model
    made = gpunet.wrappers.SKLearnRegressor(network, True, {"loss": "mse"}, QUIET).fit(X, VALUES)
    first = made.model_
    assert made.fit(X, VALUES).model_ is first
    two = np.stack([VALUES, -VALUES], axis=1)
    assert gpunet.wrappers.SKLearnRegressor(network, False, {"loss": "mse"}, QUIET).fit(X, two).predict(X).shape == (
        60,
        2,
    )


def test_a_transformer_gives_the_outputs():
    transformer = gpunet.wrappers.SKLearnTransformer(network, model_kwargs={"loss": "mse"}, fit_kwargs=QUIET)
    np.testing.assert_array_equal(transformer.fit_transform(X, VALUES), transformer.model_.predict(X, verbose=0))


def test_what_is_refused():
    classifier = gpunet.wrappers.SKLearnClassifier(network)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        classifier.predict(X)
    with pytest.raises(ValueError, match="Target type: continuous"):
        classifier.fit(X, VALUES)
    with pytest.raises(ValueError, match="only one class"):
        classifier.fit(X, np.zeros(60))
    bare = gpunet.Sequential([gpunet.Input((4,)), gpunet.layers.Dense(1)])
    with pytest.raises(RuntimeError, match="needs to be compiled"):
        gpunet.wrappers.SKLearnRegressor(lambda X, y: bare).fit(X, VALUES)
    with pytest.raises(ValueError, match="4 features"):
        gpunet.wrappers.SKLearnRegressor(network, False, {"loss": "mse"}).fit(X, VALUES, **QUIET).predict(X[:, :2])


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match="SKLearnClassifier requires `scikit-learn` to be installed"):
        _ = gpunet.wrappers.SKLearnClassifier
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        _ = gpunet.wrappers.Other
