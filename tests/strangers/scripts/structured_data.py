"""A table with columns of numbers, words and codes: each through a layer for its kind, then a network."""

import numpy as np

import gpunet as keras
from gpunet import layers

rng = np.random.default_rng(0)
keras.utils.set_random_seed(0)

n = 600
table = {
    "age": rng.integers(18, 80, n).astype("float32"),
    "income": rng.lognormal(10, 1, n).astype("float32"),
    "city": rng.choice(["Berlin", "Paris", "Rome", "Oslo"], n),
    "branch": rng.choice([101, 205, 399], n),
    "user": rng.integers(0, 10_000, n),
}
target = ((table["age"] > 45) ^ (table["city"] == "Rome")).astype("float32")

normalizers = {}
for name in ("age", "income"):
    normalizers[name] = layers.Normalization(axis=None)
    normalizers[name].adapt(table[name])
city = layers.StringLookup(output_mode="one_hot")
city.adapt(table["city"])
branch = layers.IntegerLookup(output_mode="one_hot")
branch.adapt(table["branch"])
user = layers.Hashing(num_bins=16, output_mode="one_hot")
age_bins = layers.Discretization(bin_boundaries=[30, 45, 60], output_mode="int")
crossed = layers.HashedCrossing(num_bins=32, output_mode="one_hot")


def features(rows):
    """All columns side by side."""
    columns = [keras.ops.expand_dims(normalizers[name](rows[name]), -1) for name in ("age", "income")]
    ages = age_bins(rows["age"])
    columns += [city(rows["city"]), branch(rows["branch"]), user(rows["user"]), crossed((rows["city"], ages.numpy()))]
    return keras.ops.concatenate([keras.ops.cast(c, "float32") for c in columns], axis=-1)


x = features(table)
assert x.shape == (n, 2 + 5 + 4 + 16 + 32), x.shape
assert city.get_vocabulary()[0] == "[UNK]"
np.testing.assert_allclose(keras.ops.std(x[:, 0]), 1, atol=1e-3)

model = keras.Sequential(
    [keras.Input((x.shape[1],)), layers.Dense(32, activation="relu"), layers.Dense(1, activation="sigmoid")]
)
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
model.fit(x[:500], target[:500], epochs=20, batch_size=32, verbose=0)
_, accuracy = model.evaluate(x[500:], target[500:], verbose=0)
assert accuracy > 0.9, accuracy

stranger = {"age": [50.0], "income": [2e4], "city": ["Atlantis"], "branch": [7], "user": [3]}
unseen = features({name: np.array(values) for name, values in stranger.items()})
assert model.predict(unseen, verbose=0).shape == (1, 1)
