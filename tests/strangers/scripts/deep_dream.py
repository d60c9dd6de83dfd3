"""Gradients with respect to the input: saliency, an adversarial example, and an image that excites a filter."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops
from gpunet.datasets import digits

keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, x_test = x_train[..., None] / np.float32(16), x_test[..., None] / np.float32(16)
model = keras.Sequential(
    [
        layers.Input((8, 8, 1)),
        layers.Conv2D(8, 3, activation="relu", name="conv"),
        layers.Flatten(),
        layers.Dense(10, name="logits"),
    ]
)
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss_fn, metrics=["accuracy"])
model.fit(x_train, y_train, epochs=8, verbose=0)
weights = model.get_weights()

image = ops.convert_to_tensor(x_test[:50])
label = y_test[:50]
with keras.GradientTape() as tape:
    tape.watch(image)
    loss = loss_fn(label, model(image))
signed_grad = ops.sign(tape.gradient(loss, image))
adversarial = image + 0.15 * signed_grad
clean = (model.predict(x_test[:50], verbose=0).argmax(-1) == label).mean()
fooled = (np.argmax(model(adversarial), -1) == label).mean()
assert clean > 0.85
assert fooled < clean - 0.3, (clean, fooled)

feature_extractor = keras.Model(inputs=model.inputs, outputs=model.get_layer("conv").output)


def ascent_step(img, filter_index, learning_rate):
    with keras.GradientTape() as tape:
        tape.watch(img)
        loss = ops.mean(feature_extractor(img)[:, 1:-1, 1:-1, filter_index])
    grads = tape.gradient(loss, img)
    grads = grads / (ops.max(ops.abs(grads)) + 1e-8)
    return loss, img + learning_rate * grads


img = keras.random.uniform((1, 8, 8, 1), 0.4, 0.6)
filter_index = int(np.argmax(np.mean(feature_extractor(img), axis=(0, 1, 2))))
activations = []
for _ in range(60):
    activation, img = ascent_step(img, filter_index, 0.1)
    activations.append(float(activation))
assert activations[-1] > activations[0] + 0.2, activations
for before, after in zip(weights, model.get_weights()):
    np.testing.assert_array_equal(before, after)
