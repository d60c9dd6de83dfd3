"""Imbalanced classes: class weights and the same weights per sample give the same training."""

import numpy as np

import gpunet as keras

rng = np.random.default_rng(0)
x = np.concatenate([rng.normal(0, 1, (900, 2)), rng.normal(1.5, 1, (100, 2))]).astype(np.float32)
y = np.concatenate([np.zeros(900), np.ones(100)])
order = rng.permutation(1000)
x, y = x[order], y[order]
class_weight = {0: 1000 / (2 * 900), 1: 1000 / (2 * 100)}


def train(**kwargs):
    keras.utils.set_random_seed(7)
    model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=50, verbose=0, **kwargs)
    return model


plain = train()
by_class = train(class_weight=class_weight)
by_sample = train(sample_weight=np.where(y == 1, class_weight[1], class_weight[0]))

recall = [(m.predict(x, verbose=0)[y == 1] > 0.5).mean() for m in (plain, by_class, by_sample)]
assert recall[1] > recall[0] + 0.1, recall
for a, b in zip(by_class.get_weights(), by_sample.get_weights()):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)

found = by_class.evaluate(x, y, sample_weight=(y == 1).astype("float32"), verbose=0, return_dict=True)
assert abs(found["weighted_accuracy"] - recall[1]) < 1e-6, found
