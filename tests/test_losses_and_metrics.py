"""Losses and metrics: shapes, weights, names, state; their numbers are compared with Keras's elsewhere."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import losses, metrics, ops

RNG = np.random.default_rng(0)


def test_labels_beside_outputs_with_a_last_axis_of_one():
    y, p = RNG.normal(size=6).astype("float32"), RNG.normal(size=(6, 1)).astype("float32")
    expected = ((y - p[:, 0]) ** 2).mean()
    for y_true, y_pred in ((y, p), (y[:, None], p), (y[:, None], p[:, 0]), (y, p[:, 0])):
        np.testing.assert_allclose(float(losses.MeanSquaredError()(y_true, y_pred)), expected, rtol=1e-6)
        own = losses.LossFunctionWrapper(lambda a, b: ops.square(a - b))
        np.testing.assert_allclose(float(own(y_true, y_pred)), expected, rtol=1e-6)
        metric = metrics.MeanSquaredError()
        metric.update_state(y_true, y_pred)
        np.testing.assert_allclose(float(metric.result()), expected, rtol=1e-6)


@pytest.mark.parametrize("make", [metrics.R2Score, metrics.MeanSquaredError, metrics.CosineSimilarity, metrics.AUC])
def test_metrics_of_columns_take_vectors_of_labels(make):
    y, p = RNG.integers(0, 2, 9).astype("float32"), RNG.random((9, 1)).astype("float32")
    np.testing.assert_array_equal(make()(y, p), make()(y[:, None], p))


def test_large_logits_do_not_overflow():
    logits = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]], "float32")
    sparse = losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)
    np.testing.assert_allclose(sparse(np.array([0, 0]), logits), [0, 2000])
    binary = losses.BinaryCrossentropy(from_logits=True, reduction="none")
    np.testing.assert_allclose(binary(np.array([[1, 0], [1, 0]]), logits), [0, 1000])


def test_wrong_probabilities_stay_finite():
    p = np.array([[1.0, 0.0]], "float32")
    assert np.isfinite(float(losses.SparseCategoricalCrossentropy()(np.array([1]), p)))
    assert np.isfinite(float(losses.BinaryCrossentropy()(np.array([[0, 1]]), p)))
    assert np.isfinite(float(losses.KLDivergence()(np.array([[0.0, 1.0]]), p)))


def test_weights_broadcast_from_the_left():
    y, p = np.zeros((4, 3, 2), "float32"), np.ones((4, 3, 2), "float32")
    loss = losses.MeanSquaredError(reduction="sum")
    assert float(loss(y, p, sample_weight=np.array([1, 0, 2, 0]))) == 9
    assert float(loss(y, p, sample_weight=np.array([[1, 0, 0]] * 4))) == 4
    assert float(loss(y, p, sample_weight=0.5)) == 6


def test_a_loss_gives_a_tensor_in_its_dtype():
    value = losses.MeanSquaredError()(np.zeros(3), np.ones(3))
    assert isinstance(value, keras.Tensor)
    assert value.dtype == "float32"
    assert losses.MeanSquaredError(dtype="float64")(np.zeros(3), np.ones(3)).dtype == "float64"
    half = keras.Tensor(np.ones((2, 2)), dtype="float16")
    assert losses.MeanSquaredError()(half * 0, half).dtype == "float32"


@pytest.mark.parametrize("name", ["mse", "MSE", "mean_squared_error", "MeanSquaredError", "mae", "bce", "kld", "huber"])
def test_losses_by_name(name):
    found = losses.get(name)
    y, p = np.array([[0.0, 1.0]], "float32"), np.array([[0.25, 0.75]], "float32")
    assert np.isfinite(float(ops.sum(found(y, p))))
    assert isinstance(found, losses.Loss) == (name == "MeanSquaredError")


@pytest.mark.parametrize("name", [n for n in losses.catalog.entries if n[0].isupper()])
def test_loss_configurations(name):
    loss = getattr(losses, name)(reduction="sum", name="mine")
    copy = losses.deserialize(losses.serialize(loss))
    assert type(copy) is type(loss)
    assert copy.get_config() == loss.get_config()
    assert (copy.reduction, copy.name) == ("sum", "mine")


def test_metric_state():
    mean = metrics.Mean()
    assert float(mean.result()) == 0.0
    mean.update_state([1.0, 3.0])
    mean.update_state(8.0)
    assert float(mean.result()) == 4.0
    mean.update_state([0.0, 100.0], sample_weight=[1.0, 0.0])
    assert float(mean.result()) == 3.0
    mean.reset_state()
    assert float(mean.result()) == 0.0
    assert float(mean(7.0)) == 7.0
    total = metrics.Sum()
    total.update_state([1.0, 2.0], sample_weight=[1.0, 3.0])
    assert float(total.result()) == 7.0
    assert [v.name for v in mean.variables] == ["total", "count"]


def test_a_weight_of_a_metric_is_a_scalar_if_it_has_no_shape():
    class Count(metrics.Metric):
        def __init__(self, **options):
            super().__init__(**options)
            self.count = self.add_weight(name="count", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.count.assign_add(1.0)

        def result(self):
            return self.count

    metric = Count()
    assert float(metric(0.0, 0.0)) == 1.0
    assert (metric.count.shape, metric.count.name, metric.count.path) == ((), "count", "count/count")


def test_metrics_do_not_record():
    mean = metrics.Mean()
    v = keras.Variable(3.0)
    with keras.GradientTape() as tape:
        y = v * v
        mean.update_state(y)
        result = mean.result()
    assert float(result) == 9.0
    assert float(tape.gradient(y, v)) == 6.0


def test_metrics_inside_metrics_are_reset_too():
    class Both(metrics.Metric):
        def __init__(self):
            super().__init__(name="both")
            self.inner = metrics.Mean()
            self.seen = keras.Variable(0.0, trainable=False)

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.inner.update_state(y_pred)
            self.seen.assign_add(1.0)

        def result(self):
            return {"mean": self.inner.result(), "seen": self.seen.value}

    metric = Both()
    metric.update_state(None, [2.0])
    assert {k: float(v) for k, v in metric.result().items()} == {"mean": 2.0, "seen": 1.0}
    assert len(metric.variables) == 3
    metric.reset_state()
    assert float(metric.result()["seen"]) == 0.0
    assert float(metric.inner.count) == 0.0
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[Both()])
    found = model.evaluate(np.ones((4, 2)), np.ones((4, 1)), verbose=0, return_dict=True)
    assert sorted(found) == ["loss", "mean", "seen"]


REQUIRED: dict = {
    "ConfusionMatrix": (3,),
    "PerClassAccuracy": (3,),
    "IoU": (3, [0, 2]),
    "MeanIoU": (3,),
    "OneHotIoU": (3, [1]),
    "OneHotMeanIoU": (3,),
}


@pytest.mark.parametrize("name", [n for n in metrics.catalog.entries if n[0].isupper()])
def test_metric_configurations(name):
    needed = [0.5] if "At" in name else REQUIRED.get(name, ())
    metric = getattr(metrics, name)(*needed, name="mine")
    copy = metrics.deserialize(metrics.serialize(metric))
    assert type(copy) is type(metric)
    assert copy.get_config() == metric.get_config()
    assert copy.name == "mine"


def test_metrics_refuse_bad_arguments():
    for make, message in (
        (lambda: metrics.Precision(thresholds=[0.5, 1.5]), r"must be in \[0, 1\]. Received: \[1.5\]"),
        (lambda: metrics.AUC(curve="X"), 'Invalid AUC curve value: "X"'),
        (lambda: metrics.AUC(num_labels=3), "needed only when `multi_label` is True"),
        (lambda: metrics.PrecisionAtRecall(1.5), "`recall` must be in the range"),
        (lambda: metrics.F1Score(average="all"), "Received: average=all"),
        (lambda: metrics.FBetaScore(beta=1), "Received: beta=1"),
        (lambda: metrics.R2Score(num_regressors=-1), "Received: num_regressors=-1"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1.5), "Received: q=1.5"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(ValueError, match="F.*Score expects 2D inputs"):
        metrics.F1Score().update_state(np.ones(3), np.ones(3))


def test_metrics_of_counts_start_again():
    metric = metrics.AUC(num_thresholds=10, multi_label=True)
    y, p = RNG.integers(0, 2, (9, 3)), RNG.random((9, 3))
    first = float(metric(y, p))
    metric.reset_state()
    assert float(metric(y, p)) == first


def test_names_are_made_unique_as_in_keras():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mse", metrics.MeanSquaredError(name="mse")], weighted_metrics=["mse", "mae"])
    found = model.evaluate(np.ones((4, 2)), np.zeros((4, 1)), verbose=0, return_dict=True)
    assert list(found) == ["loss", "mae", "mse", "mse_1", "weighted_mse"]
    model.compile("sgd", "mse", metrics=["MeanSquaredError", metrics.MeanAbsoluteError])
    found = model.evaluate(np.ones((4, 2)), np.zeros((4, 1)), verbose=0, return_dict=True)
    assert list(found) == ["MeanSquaredError", "loss", "mean_absolute_error"]
