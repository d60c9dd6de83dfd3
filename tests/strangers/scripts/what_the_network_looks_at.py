"""Grad-CAM, integrated gradients and their sum, on a network that has to find a bright square."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
images = rng.uniform(0, 0.3, (200, 12, 12, 1)).astype("float32")
labels = rng.integers(0, 2, 200)
for image, label in zip(images, labels):
    row, column = rng.integers(0, 3) + 7 * label, rng.integers(0, 9)
    image[row : row + 3, column : column + 3] += 0.7

inputs = keras.Input((12, 12, 1))
x = layers.Conv2D(8, 3, activation="relu", padding="same")(inputs)
x = layers.MaxPooling2D(2)(x)
x = layers.Conv2D(8, 3, activation="relu", padding="same", name="last_conv")(x)
outputs = layers.Dense(2)(layers.Flatten()(x))
model = keras.Model(inputs, outputs)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
model.fit(images, labels, epochs=15, batch_size=20, verbose=0)
assert model.evaluate(images, labels, verbose=0)[1] > 0.95


def gradcam(image, last_conv):
    grad_model = keras.Model(model.inputs, [model.get_layer(last_conv).output, model.output])
    with keras.GradientTape() as tape:
        features, scores = grad_model(image[None])
        score = scores[:, ops.argmax(scores[0])]
    gradients = tape.gradient(score, features)
    heatmap = ops.squeeze(features[0] @ ops.mean(gradients, axis=(0, 1, 2))[..., None])
    heatmap = ops.maximum(heatmap, 0) / ops.max(heatmap)
    return heatmap.numpy()


def integrated_gradients(image, label, steps=50):
    path = ops.linspace(0.0, 1.0, steps + 1)[:, None, None, None] * image
    with keras.GradientTape() as tape:
        tape.watch(path)
        scores = model(path)[:, int(label)]
    gradients = tape.gradient(scores, path).numpy()
    return (gradients[:-1] + gradients[1:]).mean(0) / 2 * image


hits = 0
for image in images[:20]:
    heatmap = gradcam(image, "last_conv")
    assert heatmap.shape == (6, 6)
    row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
    bright = np.argwhere(image[..., 0] > 0.6).mean(0)
    hits += abs(2 * row + 0.5 - bright[0]) <= 3 and abs(2 * column + 0.5 - bright[1]) <= 3
assert hits >= 12, hits

attributions = integrated_gradients(images[0], labels[0])
from_nothing = model.predict(np.stack([images[0], np.zeros_like(images[0])]), verbose=0)[:, labels[0]]
np.testing.assert_allclose(attributions.sum(), from_nothing[0] - from_nothing[1], rtol=0.05)
bright = images[0] > 0.6
assert np.abs(attributions[bright]).mean() > 3 * np.abs(attributions[~bright]).mean()
