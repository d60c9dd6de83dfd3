"""Batch renormalisation: what Keras computes, step by step, in files too; what it refuses."""

import itertools

import numpy as np
import pytest

import gpunet
from gpunet import layers

RNG = np.random.default_rng(0)
OPTIONS = [
    {},
    {"renorm_clipping": {"rmax": 1.2, "rmin": 0.9, "dmax": 0.3}, "renorm_momentum": 0.6},
    {"renorm_clipping": {"dmax": 0.1, "rmax": None}, "scale": False, "axis": 1, "epsilon": 1e-2},
    {"center": False, "scale": False, "moving_variance_initializer": "zeros"},
    {"center": False, "dtype": "mixed_float16"},
]


def stack(library, options):
    inputs = library.Input((4, 3))
    x = library.layers.BatchNormalization(momentum=0.8, renorm=True, **options)(inputs)
    return library.Model(inputs, library.layers.Dense(2)(library.layers.ReLU()(x)))


def trained(model, steps):
    model.compile("sgd", "mse")
    rng = np.random.default_rng(3)
    data = [(rng.standard_normal((8, 4, 3)) * 2 + 1, rng.standard_normal((8, 4, 2))) for _ in range(steps)]
    losses = [float(model.train_on_batch(x.astype("float32"), y.astype("float32"))) for x, y in data]
    return [np.array(losses), *model.get_weights(), model.predict(data[0][0].astype("float32"), verbose=0)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_trains_as_in_keras(options, real_keras, tmp_path):
    models = [stack(library, options) for library in (gpunet, real_keras)]
    weights = [RNG.uniform(0.5, 1.5, w.shape) for w in models[0].get_weights()]
    for model in models:
        model.set_weights(weights)
    tolerance = 2e-2 if "dtype" in options else 1e-4
    for found, expected in zip(*(trained(model, 5) for model in models), strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    ours, theirs = (model.layers[1].get_config() for model in models)
    assert [ours[k] for k in theirs if "renorm" in k] == [theirs[k] for k in theirs if "renorm" in k]
    for (writer, model), library in itertools.product(enumerate(models), (gpunet, real_keras)):
        model.save(tmp_path / f"{writer}.keras")
        copy = library.models.load_model(tmp_path / f"{writer}.keras")
        for a, b in zip(copy.layers[1].get_weights(), model.layers[1].get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_masked_batch_takes_part_of_it():
    plain, masked = (layers.BatchNormalization(renorm=True, renorm_momentum=0.5) for _ in range(2))
    x = RNG.standard_normal((2, 3, 4)).astype("float32")
    mask = np.array([[True, True, False], [True, False, False]])
    y = masked(x, training=True, mask=mask)
    np.testing.assert_allclose(y.numpy()[mask], plain(x[mask], training=True), rtol=1e-5, atol=1e-6)
    for a, b in zip(masked.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_recalibration_sets_the_deviation_too():
    model = gpunet.Sequential([gpunet.Input((3,)), layers.BatchNormalization(renorm=True)])
    x = RNG.standard_normal((50, 3)).astype("float32") * 3
    model.recalibrate_batchnorm(x)
    layer = model.layers[0]
    np.testing.assert_allclose(layer.moving_variance, x.var(axis=0), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_stddev, np.sqrt(x.var(axis=0) + 1e-3), rtol=1e-4)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"rmax": 2, "tmax": 1}, "invalid keys for `renorm_clipping` argument"),
        ({"rmax": 1, "rmin": 2}, "rmax should be greater than rmin"),
        ({"dmax": -1}, "dmax should be non-negative"),
    ],
)
def test_wrong_limits_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        layers.BatchNormalization(renorm=True, renorm_clipping=limits)
    assert layers.BatchNormalization(renorm_clipping=limits).renorm_clipping == limits  # which nobody reads
