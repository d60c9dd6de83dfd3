"""Look inside a residual network: features of inner layers, a new head on frozen ones, activations one by one."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.set_random_seed(0)


def conv_bn(x, filters, name):
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


inputs = keras.Input((12, 12, 3))
x = layers.MaxPooling2D(name="pool")(layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(inputs))
for i in range(2):
    y = layers.Activation("relu")(conv_bn(x, 8, f"block{i}_a"))
    x = layers.ReLU(name=f"block{i}")(layers.add([x, conv_bn(y, 8, f"block{i}_b")]))
outputs = layers.Dense(4)(layers.GlobalAveragePooling2D()(x))
model = keras.Model(inputs, outputs)

images = np.random.default_rng(0).normal(size=(64, 12, 12, 3)).astype("float32")
labels = np.arange(64) % 4
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
model.fit(images, labels, batch_size=16, epochs=2, verbose=0)

# every inner tensor, as a model with many outputs gives it
inner = keras.Model(inputs, [layer.output for layer in model.layers])
found = dict(zip([layer.name for layer in model.layers], inner.predict(images, verbose=0)))
assert found["block1_b_bn"].min() < 0 <= found["block1"].min()
np.testing.assert_allclose(found["pool"], ops.max_pool(found["stem"], 2), rtol=1e-6)
np.testing.assert_allclose(found[model.layers[-1].name], model.predict(images, verbose=0), rtol=1e-3, atol=1e-4)

# the same layers by hand, one after the other
x = images
for layer in model.layers[1:3]:
    x = layer(x)
np.testing.assert_allclose(x, found["pool"], rtol=1e-5, atol=1e-5)

# frozen features with a new head: statistics and weights stay
features = keras.Model(inputs, model.get_layer("block1").output)
features.trainable = False
before = [np.array(w) for w in features.get_weights()]
new = keras.Sequential([keras.Input((12, 12, 3)), features, layers.Flatten(), layers.Dense(4)])
new.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
new.fit(images, labels, epochs=1, verbose=0)
for a, b in zip(before, features.get_weights()):
    np.testing.assert_array_equal(a, b)
print("features", found["block1"].shape)
