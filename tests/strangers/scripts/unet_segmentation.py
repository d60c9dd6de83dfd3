"""A small U-Net that finds discs in pictures, with a loss of one's own, mean overlap, and features by name."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
rows, columns = np.mgrid[:16, :16]
centres, radii = rng.integers(4, 12, (96, 2)), rng.integers(2, 5, 96)
masks = np.array([((rows - r) ** 2 + (columns - c) ** 2 <= d * d) for (r, c), d in zip(centres, radii)])
images = (masks + rng.normal(0, 0.5, masks.shape)).astype("float32")[..., None]
labels = masks.astype("int64")[..., None]


def block(x, filters, name):
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(name=f"{name}_bn", momentum=0.8)(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


x = inputs = keras.Input((16, 16, 1))
skips = []
for name, filters in {"down_1": 8, "down_2": 16}.items():
    x = block(x, filters, name)
    skips.append(x)
    x = layers.MaxPooling2D()(x)
x = layers.SpatialDropout2D(0.1)(block(x, 32, "middle"))
for name, filters in {"up_2": 16, "up_1": 8}.items():
    x = layers.UpSampling2D(interpolation="bilinear")(x)
    x = block(layers.Concatenate()([x, skips.pop()]), filters, name)
model = keras.Model(inputs, layers.Conv2D(2, 1, activation="softmax")(x))


def dice(y_true, y_pred):
    wanted = ops.cast(ops.squeeze(y_true, -1), y_pred.dtype)
    found = y_pred[..., 1]
    return 1 - (2 * ops.sum(wanted * found) + 1) / (ops.sum(wanted) + ops.sum(found) + 1)


def loss(y_true, y_pred):
    return dice(y_true, y_pred) + ops.mean(keras.losses.sparse_categorical_crossentropy(y_true, y_pred))


overlap = keras.metrics.MeanIoU(num_classes=2, sparse_y_pred=False, name="overlap")
model.compile(keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy", dice, overlap])
history = model.fit(images, labels, batch_size=10, epochs=6, validation_split=0.2, verbose=0).history
assert set(history) == {f"{part}{name}" for part in ("", "val_") for name in ("loss", "accuracy", "dice", "overlap")}
assert history["val_overlap"][-1] > 0.8, history

result = model.evaluate(images, labels, verbose=0, return_dict=True)
found = model.predict(images, verbose=0).argmax(-1)
union = [((found == k) | (masks == k)).sum() for k in (0, 1)]
both = [((found == k) & (masks == k)).sum() for k in (0, 1)]
np.testing.assert_allclose(result["overlap"], np.mean(np.divide(both, union)), rtol=1e-5)

features = keras.Model(model.input, [model.get_layer(f"{name}_relu").output for name in ("down_1", "middle")])
assert [y.shape for y in features.predict(images[:3], verbose=0)] == [(3, 16, 16, 8), (3, 4, 4, 32)]
for wrong in ({"name": "nothing"}, {"index": 99}, {}):
    try:
        model.get_layer(**wrong)
        found_one = True
    except ValueError:
        found_one = False
    assert not found_one, wrong
