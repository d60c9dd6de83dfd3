"""`recalibrate_batchnorm`: exact statistics, layer by layer, in every kind of model."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, ops

RNG = np.random.default_rng(0)
X = RNG.normal(2.0, 3.0, size=(50, 6, 6, 3)).astype("float32")
Y = RNG.integers(0, 2, size=50)


def block(filters):
    return [
        layers.Conv2D(filters, 3, activation="relu"),
        layers.BatchNormalization(momentum=0.5),
        layers.Dropout(0.5),
    ]


def sequential():
    return keras.Sequential([keras.Input((6, 6, 3)), *block(4), *block(5), layers.Flatten(), layers.Dense(2)])


def nested():
    inner = keras.Sequential([keras.Input((6, 6, 3)), layers.BatchNormalization(), *block(4)], name="inner")
    x = inputs = keras.Input((6, 6, 3))
    x = layers.Flatten()(layers.BatchNormalization(axis=1)(inner(x)))
    return keras.Model(inputs, layers.Dense(2)(x))


def fused():
    """A residual block, whose normalisations are computed together with what follows them."""
    inputs = keras.Input((6, 6, 3))
    x = first = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(inputs)))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x))
    x = layers.ReLU()(layers.Add()([x, first]))
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.last = layers.BatchNormalization(name="last")  # made first, runs last
        self.first = layers.BatchNormalization(name="first")
        self.dense = layers.Dense(2)

    def call(self, x, training=None):
        x = self.first(ops.mean(x, axis=(1, 2)), training=training)
        return self.last(self.dense(ops.tanh(x)), training=training)


def trained(model):
    keras.utils.set_random_seed(0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
    return model


def normalisations(model):
    return [x for x in model._flatten_layers() if isinstance(x, layers.BatchNormalization)]


@pytest.mark.parametrize("make", [sequential, nested, fused, Subclass])
@pytest.mark.parametrize("batch_size", [7, 64])
def test_statistics_are_those_of_each_layers_inputs(make, batch_size, monkeypatch):
    model = trained(make())
    model.recalibrate_batchnorm(X, batch_size)
    seen = {}
    original = layers.BatchNormalization.call

    def call(self, inputs, training=None, mask=None):
        seen[self] = inputs.numpy().astype("float64")
        return original(self, inputs, training, mask)

    monkeypatch.setattr(layers.BatchNormalization, "call", call)
    keras.config.disable_fusion()  # so that each layer's own call is seen
    try:
        model(X, training=False)
    finally:
        keras.config.enable_fusion()
    assert len(seen) == len(normalisations(model)) >= 2
    for layer, inputs in seen.items():
        axes = tuple(d for d in range(inputs.ndim) if d != layer.axis % inputs.ndim)
        np.testing.assert_allclose(layer.moving_mean.numpy(), inputs.mean(axes), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(layer.moving_variance.numpy(), inputs.var(axes), rtol=1e-5, atol=1e-6)


def test_a_shared_layer_gets_the_statistics_of_all_its_calls():
    shared = layers.BatchNormalization()
    a, b = keras.Input((3,)), keras.Input((3,))
    model = keras.Model([a, b], layers.Add()([shared(a), shared(b)]))
    one, other = RNG.normal(size=(20, 3)), RNG.normal(5, 2, size=(20, 3))
    model.recalibrate_batchnorm([one, other], batch_size=6)
    both = np.concatenate([one, other])
    np.testing.assert_allclose(shared.moving_mean.numpy(), both.mean(0), rtol=1e-5)
    np.testing.assert_allclose(shared.moving_variance.numpy(), both.var(0), rtol=1e-5)


def test_masked_places_do_not_count():
    model = keras.Sequential([keras.Input((5, 2)), layers.Masking(), layers.BatchNormalization()])
    x = RNG.normal(3, 1, size=(10, 5, 2))
    x[2:, 3:] = 0
    model.recalibrate_batchnorm(x, batch_size=3)
    kept = x[(x != 0).any(-1)]
    np.testing.assert_allclose(model.layers[-1].moving_mean.numpy(), kept.mean(0), rtol=1e-5)
    np.testing.assert_allclose(model.layers[-1].moving_variance.numpy(), kept.var(0), rtol=1e-5)


def test_a_mean_far_from_zero_costs_no_digits():
    model = keras.Sequential([keras.Input((1,)), layers.BatchNormalization()])
    x = (1000 + RNG.normal(size=(999, 1))).astype("float32")
    model.recalibrate_batchnorm(x, batch_size=10)
    np.testing.assert_allclose(model.layers[-1].moving_variance.numpy(), x.astype("float64").var(0), rtol=1e-6)


def test_weights_frozen_layers_and_random_numbers_stay():
    model = trained(sequential())
    frozen, free = normalisations(model)
    frozen.trainable = False
    before = [w.numpy() for w in model.weights]
    model.recalibrate_batchnorm(X)
    changed = [w.path for w, old in zip(model.weights, before) if not np.array_equal(w.numpy(), old)]
    assert changed == [free.moving_mean.path, free.moving_variance.path]
    assert "_observer" not in vars(free)


def test_better_than_moving_averages_that_lag_behind():
    model = keras.Sequential([keras.Input((6, 6, 3)), *block(4)[:2], layers.Flatten(), layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for layer in normalisations(model):
        layer.momentum = 0.999
    bright = (X.mean((1, 2, 3)) > np.median(X.mean((1, 2, 3)))).astype("int64")
    model.fit(X, bright, batch_size=25, epochs=20, verbose=0)
    before = model.evaluate(X, bright, verbose=0)
    model.recalibrate_batchnorm(X)
    assert model.evaluate(X, bright, verbose=0) < before  # with the new statistics, also where the step is recorded


def test_batches_and_errors():
    model = keras.Sequential([layers.BatchNormalization()])

    class Batches:
        def __len__(self):
            return 2

        def __iter__(self):
            yield X[:20], Y[:20]
            yield X[20:], Y[20:]

    model.recalibrate_batchnorm(Batches())
    np.testing.assert_allclose(model.layers[-1].moving_mean.numpy(), X.mean((0, 1, 2)), rtol=1e-5)
    with pytest.raises(ValueError, match="reads the data once per layer. Received: a generator"):
        model.recalibrate_batchnorm(iter(Batches()))
    keras.Sequential([keras.Input((3,)), layers.Dense(1)]).recalibrate_batchnorm(X[:, 0, 0])
