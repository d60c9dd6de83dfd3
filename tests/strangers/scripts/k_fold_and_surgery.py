"""Cross-validation with clones of one model, then parts of the best: a new head, features, other activations."""

import numpy as np

import gpunet as keras
from gpunet import layers

keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
x = rng.normal(size=(120, 6)).astype("float32")
y = np.tanh(x[:, 0] - x[:, 1] * x[:, 2])
base = keras.Sequential(
    [
        keras.Input((6,)),
        layers.Dense(24, activation=keras.activations.gelu),
        layers.BatchNormalization(),
        layers.Dense(1),
    ]
)
base.compile(keras.optimizers.Adam(0.02), loss="mse", metrics=["mae"])
start = base.get_weights()

folds, scores, models = np.array_split(rng.permutation(len(x)), 4), [], []
for fold in folds:
    rest = np.setdiff1d(np.arange(len(x)), fold)
    model = keras.models.clone_model(base)
    model.set_weights(start)
    optimizer = type(base.optimizer).from_config(base.optimizer.get_config())
    model.compile(optimizer, loss=base.loss, metrics=["mae"])
    history = model.fit(x[rest], y[rest], epochs=15, batch_size=16, validation_data=(x[fold], y[fold]), verbose=0)
    assert history.epoch == list(range(15))
    loss, error = model.evaluate(x[fold], y[fold], verbose=0)
    np.testing.assert_allclose([loss, error], [history.history[f"val_{n}"][-1] for n in ("loss", "mae")], rtol=1e-5)
    scores.append(error)
    models.append(model)
assert all((a == b).all() for a, b in zip(base.get_weights(), start)), "the clones share weights with their model"
assert np.mean(scores) < np.abs(y - y.mean()).mean(), scores

best = models[int(np.argmin(scores))]
hidden = keras.Model(best.inputs, best.layers[-2].output).predict(x, verbose=0)
kernel, bias = best.layers[-1].get_weights()
np.testing.assert_allclose(hidden @ kernel + bias, best.predict(x, verbose=0), rtol=1e-4, atol=1e-5)

body = keras.Sequential(best.layers[:-1])
grown = keras.Sequential([keras.Sequential([keras.Input((6,)), *body.layers]), layers.Dense(3, activation="softmax")])
assert grown.built
assert grown.output_shape == (None, 3)
grown.layers[0].trainable = False
grown.compile("adam", "sparse_categorical_crossentropy")
kept = body.layers[0].kernel.numpy()
grown.fit(x, np.digitize(y, [-0.5, 0.5]), epochs=2, verbose=0)
assert (body.layers[0].kernel.numpy() == kept).all()
assert len(grown.trainable_weights) == 2


def to_tanh(layer):
    config = layer.get_config()
    if isinstance(layer, layers.Dense) and layer.units > 1:
        config["activation"] = "tanh"
    return type(layer).from_config(config)


other = keras.models.clone_model(best, clone_function=to_tanh)
other.set_weights(best.get_weights())
assert other.layers[0].activation is keras.activations.tanh
assert np.abs(other.predict(x, verbose=0) - best.predict(x, verbose=0)).max() > 1e-3
best.pop()
best.add(layers.Dense(2))
assert best.output_shape == (None, 2)
assert best(x[:1]).shape == (1, 2)
