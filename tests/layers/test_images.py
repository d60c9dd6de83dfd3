"""Layers that change images: what Keras's do for the same draws, limits of the draws, dictionaries, fitting to data."""

import warnings

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, ops, random

RNG = np.random.default_rng(0)
X = (RNG.random((4, 7, 9, 3)) * 255).astype("float32")
CASES = [
    ("RandomFlip", {}),
    ("RandomFlip", {"mode": "vertical"}),
    ("RandomRotation", {"factor": 0.2}),
    ("RandomRotation", {"factor": (-0.1, 0.4), "fill_mode": "constant", "fill_value": 3.0}),
    ("RandomZoom", {"height_factor": 0.3}),
    ("RandomZoom", {"height_factor": (0.1, 0.5), "width_factor": (-0.4, -0.2), "fill_mode": "wrap"}),
    ("RandomTranslation", {"height_factor": 0.3, "width_factor": 0.2, "fill_mode": "nearest"}),
    ("RandomShear", {"x_factor": 0.3, "y_factor": 0.2}),
    ("RandomPerspective", {"factor": (0.5, 1.0), "scale": 0.4}),
    ("RandomBrightness", {"factor": 0.3}),
    ("RandomContrast", {"factor": 0.3}),
    ("RandomSaturation", {"factor": (0.1, 0.7)}),
    ("RandomHue", {"factor": 0.4}),
    ("RandomGrayscale", {}),
    ("RandomColorDegeneration", {"factor": 0.5}),
    ("RandomInvert", {"factor": (0.5, 1.0)}),
    ("RandomPosterization", {"factor": (2, 6)}),
    ("Solarization", {"addition_factor": 0.3, "threshold_factor": 0.7}),
    ("RandomSharpness", {"factor": (0.2, 0.9)}),
    ("RandomGaussianBlur", {"factor": (0.5, 1.0)}),
    ("RandomErasing", {"fill_value": 7.0}),
    ("MixUp", {"alpha": 0.4}),
    ("CutMix", {}),
    ("RandomCrop", {"height": 4, "width": 5}),
]
each = pytest.mark.parametrize(("name", "arguments"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])


def _ours(drawn, first):
    """What Keras drew as our tensors; masks of channels-first images are channels-last here."""
    if isinstance(drawn, dict):
        found = {key: _ours(value, first) for key, value in drawn.items()}
        for key in {"batch_masks", "fill_value"} & set(found) if first else ():
            found[key] = ops.moveaxis(found[key], 1, -1)
        return found
    if isinstance(drawn, tuple):
        return tuple(_ours(value, first) for value in drawn)
    return ops.convert_to_tensor(_numpy(drawn))


def _numpy(x):
    return x.detach().numpy() if hasattr(x, "detach") else np.array(x)


@each
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_does_what_keras_does_for_the_same_draws(name, arguments, data_format, real_keras):
    first = data_format == "channels_first"
    x = np.moveaxis(X, -1, 1).copy() if first else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = getattr(real_keras.layers, name)(**arguments, data_format=data_format)
        images = real_keras.ops.convert_to_tensor(x)
        drawn = theirs.get_random_transformation(images, training=True)
        expected = _numpy(theirs.transform_images(images, drawn, training=True))
    drawn = {k: v for k, v in drawn.items() if hasattr(v, "shape")} if isinstance(drawn, dict) else drawn
    ours = getattr(layers, name)(**arguments, data_format=data_format)
    found = np.asarray(ours.transform_images(ops.convert_to_tensor(x), _ours(drawn, first), training=True))
    assert found.shape == expected.shape
    # Rounding decides which side of a step a few pixels fall on.
    assert np.mean(np.abs(found - expected) > 0.05) < 0.01
    optional = {"seed", "name"}  # written where Keras forgets it
    assert set(ours.get_config()) - optional == set(theirs.get_config()) - optional


@each
def test_inference_leaves_images_as_they_are(name, arguments):
    layer = getattr(layers, name)(**arguments, seed=2)
    if name == "RandomCrop":
        assert layer(X, training=False).shape == (4, 4, 5, 3)
        return
    np.testing.assert_array_equal(layer(X, training=False), X)
    assert np.abs(np.asarray(layer(X)) - X).max() > 1


def test_draws_fill_their_ranges():
    x = np.zeros((4000, 1, 1, 3), "float32")
    layer = layers.RandomBrightness((-0.2, 0.4), seed=1, value_range=(-1, 1))
    drawn = np.asarray(layer.get_random_transformation(x)["rgb_delta"]).ravel() / 2
    assert -0.2 <= drawn.min() < -0.19
    assert 0.39 < drawn.max() <= 0.4
    assert abs(drawn.mean() - 0.1) < 0.01
    flips = np.asarray(layers.RandomFlip(seed=1).get_random_transformation(x)["flips"])
    assert abs(flips.mean() - 0.5) < 0.04
    tops = [int(layers.RandomCrop(2, 2, seed=s).get_random_transformation(X)[0]) for s in range(60)]
    assert set(tops) == set(range(6))


@pytest.mark.parametrize(("alpha", "beta"), [(0.2, 0.2), (1.0, 3.0), (4.0, 0.5)])
def test_beta_and_gamma_numbers_have_their_moments(alpha, beta):
    b = random.beta((20000,), alpha, beta, seed=3).numpy()
    total = alpha + beta
    assert abs(b.mean() - alpha / total) < 0.01
    assert abs(b.var() - alpha * beta / (total**2 * (total + 1))) < 0.005
    g = random.gamma((20000,), alpha, seed=4).numpy()
    assert abs(g.mean() - alpha) < 0.06 * (1 + alpha)
    assert abs(g.var() - alpha) < 0.15 * (1 + alpha)
    n = random.binomial((20000,), 7, 0.3, seed=5).numpy()
    assert abs(n.mean() - 2.1) < 0.05
    assert set(np.unique(n)) <= set(range(8))


def test_images_masks_and_labels_change_together():
    masks = RNG.integers(0, 3, (4, 7, 9, 1))
    labels = np.eye(4, dtype="float32")
    found = layers.RandomFlip("horizontal", seed=2)({"images": X, "segmentation_masks": masks, "labels": labels})
    flipped = [np.array_equal(a, b[:, ::-1]) for a, b in zip(np.asarray(found["images"]), X)]
    assert 0 < sum(flipped) < 4
    for mask, before, is_flipped in zip(np.asarray(found["segmentation_masks"]), masks, flipped):
        np.testing.assert_array_equal(mask, before[:, ::-1] if is_flipped else before)
    np.testing.assert_array_equal(found["labels"], labels)
    mixed = layers.MixUp(1.0, seed=2)({"images": X, "labels": labels})
    np.testing.assert_allclose(np.asarray(mixed["labels"]).sum(1), 1, rtol=1e-6)
    cut = layers.CutMix(seed=2)({"images": np.ones_like(X) * np.arange(4)[:, None, None, None], "labels": labels})
    for k, (image, label) in enumerate(zip(np.asarray(cut["images"]), np.asarray(cut["labels"]))):
        assert abs((image == k).mean() - label[k]) < 0.25
    with pytest.raises(ValueError, match="does not move bounding boxes"):
        layers.RandomFlip()({"images": X, "bounding_boxes": np.zeros((4, 1, 4))})


def test_one_image_and_images_of_integers():
    assert layers.RandomRotation(0.1)(X[0]).shape == X[0].shape
    assert layers.Resizing(3, 4)(X[0].astype("uint8")).dtype == "float32"


def test_in_front_of_a_model_that_trains():
    keras.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
            layers.RandomContrast(0.2, value_range=(0, 1)),
            layers.Flatten(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    y = np.arange(64) % 2
    x = np.where((np.arange(8) < 4)[:, None, None] == y[:, None, None, None], 255, 0) * np.ones((1, 1, 8, 1))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=20, batch_size=16, verbose=0)
    assert model.evaluate(x, y, verbose=0)[1] > 0.95
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))


def test_normalization_adapts_to_arrays_and_to_batches():
    data = RNG.normal(3, 2, (60, 5, 4)).astype("float32")
    whole, parts = layers.Normalization(), layers.Normalization()
    whole.adapt(data)
    parts.adapt([data[:10], (data[10:45], None), data[45:]])
    np.testing.assert_allclose(whole(data), (data - data.mean((0, 1))) / data.std((0, 1)), atol=1e-5)
    for a, b in zip(whole.get_weights(), parts.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    with pytest.raises(ValueError, match="incompatible shape"):
        whole.adapt(data[..., :3])
    with pytest.raises(ValueError, match="no data"):
        layers.Normalization().adapt([])
    with pytest.raises(ValueError, match="both `mean` and `variance`"):
        layers.Normalization(mean=1.0)


def test_discretization_adapts_to_equal_bins():
    layer = layers.Discretization(num_bins=4)
    with pytest.raises(ValueError, match="adapt"):
        layer(np.zeros(3))
    layer.adapt(np.arange(1000.0))
    counts = np.bincount(np.asarray(layer(np.arange(1000.0))))
    assert abs(counts - 250).max() <= 15
    copy = layers.deserialize(layers.serialize(layer))
    assert copy.bin_boundaries == layer.bin_boundaries
    np.testing.assert_array_equal(layers.Discretization([0.0, 1.0])(np.array([-1.0, 0.5, 1.0])), [0, 1, 2])


def test_category_encoding_counts_with_weights():
    layer = layers.CategoryEncoding(4, output_mode="count")
    found = layer(np.array([[1, 1, 3]]), count_weights=np.array([[0.5, 1.0, 2.0]]))
    np.testing.assert_array_equal(found, [[0, 1.5, 0, 2]])


def test_categories_and_bins_of_lists():
    np.testing.assert_array_equal(layers.CategoryEncoding(3, output_mode="one_hot")([2, 0]), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(layers.Discretization([1.0, 2.0])([[0.5, 1.5], [2.5, 0.0]]), [[0, 1], [2, 0]])


@pytest.mark.parametrize(("mode", "shape", "dtype"), [("int", (None, 4), "int32"), ("count", (None, 3), "float32")])
def test_bins_have_a_shape_before_they_are_adapted(mode, shape, dtype):
    layer = layers.Discretization(num_bins=3, output_mode=mode)
    found = layer.compute_output_spec(keras.Input((4,)))
    assert (found.shape, found.dtype, layer.compute_output_shape((None, 4))) == (shape, dtype, shape)


def test_normalization_shows_mean_and_variance_as_inputs_meet_them():
    layer = layers.Normalization(axis=(1, 2), mean=[1.0, 2.0], variance=[4.0, 9.0])
    assert layer.mean is None
    layer.build((None, 3, 2, 5))
    np.testing.assert_array_equal(layer.mean, np.broadcast_to([[1.0], [2.0]], (1, 3, 2, 1)))
    adapted = layers.Normalization()
    adapted.adapt(np.array([[0.0, 7.0], [4.0, 9.0]]))
    np.testing.assert_array_equal(adapted.variance, [[4.0, 1.0]])


def test_rescaling_by_channels_follows_the_format_of_images(monkeypatch):
    monkeypatch.setattr("gpunet.layers.preprocessing.numbers.image_data_format", lambda: "channels_first")
    found = layers.Rescaling([1.0, 2.0, 3.0], 1.0)(np.ones((2, 3, 4, 5)))
    np.testing.assert_array_equal(found[0, :, 0, 0], [2.0, 3.0, 4.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RandomRotation(2.0), r"range \[-1, 1\]"),
        (lambda: layers.RandomZoom(-1.0), r"range \(-1.0, 1.0\]"),
        (lambda: layers.RandomFlip("sideways"), "mode"),
        (lambda: layers.RandomTranslation(0.1, 0.1, fill_mode="edge"), "fill_mode"),
        (lambda: layers.RandomShear(1.5), r"range \[0, 1\]"),
        (lambda: layers.RandomBrightness("much"), "should be a number"),
        (lambda: layers.RandomBrightness(0.1, value_range=3), "list of two numbers"),
        (lambda: layers.RandomGrayscale(2.0), "between 0 and 1"),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), "odd number"),
        (lambda: layers.RandomErasing(fill_value=(1, 2)), "three numbers"),
        (lambda: layers.Resizing(0, 3), "height must be a positive integer"),
        (lambda: layers.Resizing(2, 3, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), "Only one of"),
        (lambda: layers.CategoryEncoding(), "num_tokens must be set"),
        (lambda: layers.CategoryEncoding(0), "`num_tokens` must be >= 1"),
        (lambda: layers.CategoryEncoding(3, output_mode="hot"), "Unknown arg for output_mode: hot"),
        (lambda: layers.CategoryEncoding(3)(np.array([1]), count_weights=np.array([1.0])), "count_weights"),
        (lambda: layers.Discretization(), "either `num_bins` or `bin_boundaries`"),
        (lambda: layers.Discretization([1.0], num_bins=2), "Both `num_bins` and `bin_boundaries`"),
        (lambda: layers.Pipeline.from_config({"name": "p"}), "`layers`"),
        (lambda: layers.Discretization([1.0]).adapt(np.ones(3)), "Cannot adapt"),
        (lambda: layers.RandomFlip()(np.ones((2, 2))), "rank 3 or 4"),
    ],
)
def test_errors_say_what_was_expected(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_one_tile_of_distinct_levels_is_spread_evenly():
    image = RNG.permutation(np.arange(0.0, 240.0, 15.0)).reshape(1, 4, 4, 1)
    layer = layers.ContrastLimitedAdaptiveHistogramEqualization(clip_limit=0, tile_grid_size=(1, 1))
    np.testing.assert_allclose(layer(image), image / 15 * 17, atol=1e-4)
    with pytest.raises(ValueError, match="tile_grid_size"):
        layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=3)
