"""The confusion matrix and what follows from it."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import losses, metrics, ops

RANDOM = np.random.default_rng(2)
TRUE, SCORES = RANDOM.integers(0, 3, 40), RANDOM.normal(size=(40, 3))
MATRIX = np.array([[((i == TRUE) & (SCORES.argmax(1) == j)).sum() for j in range(3)] for i in range(3)])


@pytest.mark.parametrize(("normalize", "axis"), [(None, ()), ("true", 1), ("pred", 0), ("all", None)])
def test_confusion_matrix(normalize, axis):
    metric = metrics.ConfusionMatrix(3, normalize=normalize)
    for part in (slice(0, 15), slice(15, 40)):
        metric.update_state(TRUE[part, None], SCORES[part])
    expected = MATRIX if normalize is None else MATRIX / MATRIX.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-6)
    metric.reset_state()
    assert not metric.result().numpy().any()


def test_one_hot_targets_weights_and_labels_that_do_not_count():
    weights = RANDOM.integers(0, 3, 40)
    metric = metrics.ConfusionMatrix(3, sparse_y_true=False, ignore_class=1)
    metric.update_state(np.eye(3)[TRUE], SCORES, sample_weight=weights)
    keep = TRUE != 1
    expected = np.zeros((3, 3))
    np.add.at(expected, (TRUE[keep], SCORES.argmax(1)[keep]), weights[keep])
    np.testing.assert_array_equal(metric.result(), expected)
    outside = metrics.ConfusionMatrix(2)
    outside.update_state(TRUE, SCORES)
    np.testing.assert_array_equal(outside.result(), MATRIX[:2, :2])


def test_accuracies_of_classes_are_in_the_logs():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Softmax()])
    names = ["cat", "dog", "fox"]
    model.compile(
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", metrics.PerClassAccuracy(names), metrics.ConfusionMatrix(3)],
    )
    logs = model.evaluate(SCORES, TRUE, verbose=0, return_dict=True)
    for i, name in enumerate(names):
        np.testing.assert_allclose(logs[f"accuracy_{name}"], MATRIX[i, i] / MATRIX[i].sum(), rtol=1e-6)
    np.testing.assert_array_equal(logs["confusion_matrix"], MATRIX)
    trained = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="softmax")])
    trained.compile("sgd", "sparse_categorical_crossentropy", metrics=[metrics.PerClassAccuracy(names)])
    history = trained.fit(SCORES, TRUE, epochs=2, verbose=2).history
    assert len(history["accuracy_fox"]) == 2


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: normalize='rows'"):
        metrics.ConfusionMatrix(3, normalize="rows")
    with pytest.raises(ValueError, match=r"Target class id 3 is out of range, which is \[0, 3\)"):
        metrics.IoU(3, [0, 3])
    with pytest.warns(UserWarning, match="passing weight as `float`, but dtype is `int`"):
        metrics.MeanIoU(3).update_state(TRUE, TRUE, sample_weight=np.ones(40))


def test_binary_intersection_over_union():
    y_pred = RANDOM.uniform(size=40)
    y_true = RANDOM.integers(0, 2, 40)
    found = metrics.BinaryIoU([1], threshold=0.3)(y_true, y_pred)
    yes = y_pred >= 0.3
    np.testing.assert_allclose(found, (yes & (y_true == 1)).sum() / (yes | (y_true == 1)).sum(), rtol=1e-5)


def test_half_squared_error_has_the_error_as_gradient():
    y, p = RANDOM.normal(size=(2, 4, 3))
    gradient = keras.grad(lambda p: ops.sum(losses.half_squared_error(y, p)))(keras.Tensor(p))
    np.testing.assert_allclose(gradient, p - y)
    np.testing.assert_allclose(losses.HalfSquaredError("sum")(y, p), 0.5 * ((y - p) ** 2).sum(), rtol=1e-6)


def test_divergence_of_gaussians_is_the_mean_of_the_log_ratio():
    wanted, codes = RANDOM.normal(size=(2, 1, 4)) * 0.5
    found = losses.gaussian_kl_divergence(wanted, codes)
    grid = np.linspace(-12, 12, 20001)

    def log_density(x, mean, log_variance):
        return -0.5 * (np.log(2 * np.pi) + log_variance + (x - mean) ** 2 * np.exp(-log_variance))

    total = 0.0
    for i in range(2):
        q, p = (log_density(grid, y[0, i], y[0, 2 + i]) for y in (codes, wanted))
        total += np.trapezoid(np.exp(q) * (q - p), grid)
    np.testing.assert_allclose(found, [total], rtol=1e-6)
    with pytest.raises(ValueError, match=r"an even last axis. Received: y_pred.shape=\(2, 3\)"):
        losses.gaussian_kl_divergence(np.zeros((2, 3)), np.zeros((2, 3)))
