"""Layers that are random while training: what they draw, and what they keep."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers
from gpunet.testing import emulated_gpu

X = np.random.default_rng(0).standard_normal((400, 50)).astype("float32")


def test_dropout_in_expectation_scales_at_inference():
    layer = layers.Dropout(0.25, seed=1, mode="expectation")
    np.testing.assert_allclose(layer(X), 0.75 * X, rtol=1e-6)
    y = layer(X, training=True).numpy()
    kept = y != 0
    assert abs(kept.mean() - 0.75) < 0.02
    np.testing.assert_allclose(y[kept], X[kept], rtol=1e-6)
    with pytest.raises(ValueError, match="mode must be"):
        layers.Dropout(0.5, mode="inverse")
    assert "mode" not in layers.Dropout(0.5).get_config()  # which Keras does not know


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_spatial_dropout_drops_whole_maps(data_format):
    x = np.ones((20, 5, 6, 8) if data_format == "channels_last" else (20, 8, 5, 6), "float32")
    y = layers.SpatialDropout2D(0.5, data_format)(x, training=True).numpy()
    y = y if data_format == "channels_last" else np.moveaxis(y, 1, -1)
    assert (y == y[:, :1, :1]).all()
    assert 0.3 < (y[:, 0, 0] == 0).mean() < 0.7


def test_gaussian_noise_and_dropout_have_their_moments():
    noise = layers.GaussianNoise(0.5, seed=2)(X, training=True).numpy() - X
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 0.5) < 0.02
    factor = layers.GaussianDropout(0.2, seed=2)(np.ones_like(X), training=True).numpy()
    assert abs(factor.mean() - 1) < 0.02
    assert abs(factor.std() - 0.5) < 0.02


def test_alpha_dropout_keeps_mean_and_variance():
    y = layers.AlphaDropout(0.3, seed=3)(X, training=True).numpy()
    assert abs(y.mean() - X.mean()) < 0.03
    assert abs(y.std() - X.std()) < 0.03
    _, counts = np.unique(y, return_counts=True)
    assert abs(counts.max() / y.size - 0.3) < 0.02


@pytest.mark.parametrize("name", ["GaussianNoise", "GaussianDropout", "AlphaDropout"])
def test_noise_is_new_each_time_and_the_same_on_every_device(name):
    layer = getattr(layers, name)(0.3, seed=4)
    first, second = (layer(X, training=True).numpy() for _ in range(2))
    assert (first != second).any()
    with emulated_gpu():
        np.testing.assert_array_equal(getattr(layers, name)(0.3, seed=4)(X, training=True).numpy(), first)
    with pytest.raises(ValueError, match="between 0 and 1"):
        getattr(layers, name)(1.5)


def test_noise_of_a_model_with_unknown_sizes():
    x = keras.Input((None, 3))
    model = keras.Model(x, layers.GaussianNoise(0.1)(layers.AlphaDropout(0.2)(x)))
    assert model(np.ones((2, 5, 3), "float32"), training=True).shape == (2, 5, 3)


def test_activity_regularization_is_a_loss():
    layer = layers.ActivityRegularization(l1=0.1, l2=0.01)
    layer(X)
    expected = (0.1 * np.abs(X).sum() + 0.01 * (X**2).sum()) / len(X)
    np.testing.assert_allclose(float(layer.losses[0]), expected, rtol=1e-5)


def test_spectral_normalization_divides_by_the_largest_singular_value():
    layer = layers.SpectralNormalization(layers.Dense(7), power_iterations=50)
    layer(X[:, :5], training=True)
    np.testing.assert_allclose(np.linalg.norm(layer.layer.kernel.numpy(), 2), 1, rtol=1e-4)
    layer.layer.kernel.assign(np.zeros((5, 7)))
    assert not layer(X[:, :5], training=True).numpy().any()
    with pytest.raises(ValueError, match="kernel"):
        layers.SpectralNormalization(layers.ReLU())(X)


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match="multiple of the number of groups"):
        layers.GroupNormalization(3)(X)
    with pytest.raises(ValueError, match="expected a positive integer"):
        layers.GroupNormalization(0)
