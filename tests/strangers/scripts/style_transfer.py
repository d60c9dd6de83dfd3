"""Optimising an image itself: content and Gram-matrix losses with Adam on one Variable."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
content = rng.random((1, 16, 16, 3)).astype("float32")
style = np.tile(rng.random((1, 4, 4, 3)), (1, 4, 4, 1)).astype("float32")

inputs = keras.Input((16, 16, 3))
h1 = layers.Conv2D(8, 3, activation="relu", name="block1")(inputs)
h2 = layers.Conv2D(12, 3, activation="relu", name="block2")(layers.AveragePooling2D()(h1))
extractor = keras.Model(inputs, {"block1": h1, "block2": h2})
extractor.trainable = False


def gram_matrix(x):
    x = ops.transpose(x[0], (2, 0, 1))
    features = ops.reshape(x, (ops.shape(x)[0], -1))
    return ops.matmul(features, ops.transpose(features)) / features.shape[1]


content_features = extractor(content)["block2"]
style_grams = {name: gram_matrix(f) for name, f in extractor(style).items()}


def compute_loss(image):
    features = extractor(image)
    loss = 1e-2 * ops.mean(ops.square(features["block2"] - content_features))
    for name, gram in style_grams.items():
        loss += ops.sum(ops.square(gram_matrix(features[name]) - gram))
    variation = ops.mean(ops.abs(image[:, 1:] - image[:, :-1])) + ops.mean(ops.abs(image[:, :, 1:] - image[:, :, :-1]))
    return loss + 1e-3 * variation


optimizer = keras.optimizers.Adam(learning_rate=0.02)
combination_image = keras.Variable(content)
losses = []
for _ in range(60):
    with keras.GradientTape() as tape:
        loss = compute_loss(combination_image)
    grads = tape.gradient(loss, combination_image)
    optimizer.apply_gradients([(grads, combination_image)])
    combination_image.assign(ops.clip(combination_image, 0, 1))
    losses.append(float(loss))
assert losses[-1] < 0.3 * losses[0], (losses[0], losses[-1])
assert not extractor.trainable_variables
assert combination_image.numpy().min() >= 0
