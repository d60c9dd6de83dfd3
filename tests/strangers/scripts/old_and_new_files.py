"""A model in every kind of file that people use, loaded again, and layers of it taken over into another by name."""

import tempfile
from pathlib import Path

import numpy as np

import gpunet as keras
from gpunet import layers
from gpunet.models import Sequential, load_model, model_from_json

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
images, labels = rng.random((64, 8, 8, 1)).astype("float32"), rng.integers(0, 3, 64)


def network(classes):
    return Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1), name="edges"),
            layers.BatchNormalization(name="norm"),
            layers.GlobalAveragePooling2D(),
            layers.Lambda(lambda x: x * 2.0),
            layers.Dense(classes, activation="softmax", name=f"head_{classes}"),
        ]
    )


model = network(3)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(images, labels, epochs=2, verbose=0)
expected = model.predict(images, verbose=0)

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.save(folder / "model", zipped=False)
    for path in ("model.keras", "model.h5", "model"):
        copy = load_model(folder / path, safe_mode=False)  # it is our own file: the lambda may run
        np.testing.assert_array_equal(copy.predict(images, verbose=0), expected)
        before = copy.evaluate(images, labels, verbose=0)[0]
        copy.fit(images, labels, epochs=3, verbose=0)
        assert copy.evaluate(images, labels, verbose=0)[0] < before
        try:
            load_model(folder / path)
        except ValueError as error:
            refused = "safe_mode=False" in str(error)
        assert refused

    other = network(5)
    other.load_weights(folder / "model.h5", by_name=True)
    np.testing.assert_array_equal(other.get_layer("edges").get_weights()[0], model.get_layer("edges").get_weights()[0])
    np.testing.assert_array_equal(other.get_layer("norm").get_weights()[2], model.get_layer("norm").get_weights()[2])

    model.save_weights(folder / "parts.weights.json", max_shard_size=3e-7)
    keras.config.enable_unsafe_deserialization()
    blank = model_from_json(model.to_json())
    blank.load_weights(folder / "parts.weights.json")
    np.testing.assert_array_equal(blank.predict(images, verbose=0), expected)

# A network that averages over the image takes images of any size, as it is.
assert model.predict(rng.random((2, 12, 10, 1)), verbose=0).shape == (2, 3)
