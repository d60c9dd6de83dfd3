"""Two inputs, two outputs: a ticket classifier as in Keras's guide to the functional API."""

import numpy as np

import gpunet as keras
from gpunet import layers

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
images = rng.normal(size=(256, 6, 6, 2))
extras = rng.normal(size=(256, 4))
priority = (images.mean(axis=(1, 2, 3)) > 0).astype("float32").reshape(-1, 1)
department = extras.argmax(axis=1)

image_input = keras.Input(shape=(6, 6, 2), name="image")
extra_input = keras.Input(shape=(4,), name="extra")
x = layers.Conv2D(8, 3, activation="relu")(image_input)
x = layers.GlobalAveragePooling2D()(x)
y = layers.Dense(16, activation="relu")(extra_input)
merged = layers.concatenate([x, y])
priority_output = layers.Dense(1, activation="sigmoid", name="priority")(merged)
department_output = layers.Dense(4, name="department")(merged)

model = keras.Model(
    inputs=[image_input, extra_input],
    outputs={"priority": priority_output, "department": department_output},
)
model.compile(
    optimizer=keras.optimizers.Adam(1e-2),
    loss={
        "priority": keras.losses.BinaryCrossentropy(),
        "department": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    },
    loss_weights={"priority": 1.0, "department": 0.5},
    metrics={"department": ["accuracy"]},
)
history = model.fit(
    {"image": images, "extra": extras},
    {"priority": priority, "department": department},
    epochs=15,
    batch_size=32,
    verbose=2,
)
assert {"loss", "priority_loss", "department_loss", "department_accuracy"} <= set(history.history), history.history
total = np.array(history.history["priority_loss"]) + 0.5 * np.array(history.history["department_loss"])
np.testing.assert_allclose(history.history["loss"], total, rtol=1e-4)
assert history.history["department_accuracy"][-1] > 0.9

results = model.evaluate([images, extras], {"priority": priority, "department": department}, return_dict=True)
assert results["department_accuracy"] > 0.9
predictions = model.predict({"image": images, "extra": extras}, verbose=0)
assert predictions["priority"].shape == (256, 1)
assert predictions["department"].shape == (256, 4)
