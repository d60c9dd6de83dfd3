"""A vision transformer and an MLP-mixer on patches of the digits, with the best weights kept in a file."""

import os
import tempfile

import numpy as np

import gpunet as keras
from gpunet import layers, ops
from gpunet.datasets import digits

keras.utils.set_random_seed(0)
PATCH, WIDTH, COUNT = 2, 16, 16


class Patches(layers.Layer):
    def __init__(self, patch_size):
        super().__init__()
        self.patch_size = patch_size

    def call(self, images):
        batch, height, width, channels = ops.shape(images)
        patches = ops.image.extract_patches(images, size=self.patch_size)
        count = (height // self.patch_size) * (width // self.patch_size)
        return ops.reshape(patches, (batch, count, self.patch_size * self.patch_size * channels))


class PatchEncoder(layers.Layer):
    def __init__(self, count, width):
        super().__init__()
        self.count = count
        self.projection, self.position = layers.Dense(width), layers.Embedding(count, width)

    def call(self, patch):
        return self.projection(patch) + self.position(ops.expand_dims(ops.arange(0, self.count, 1), axis=0))


class Mixer(layers.Layer):
    def __init__(self, count, width, **kwargs):
        super().__init__(**kwargs)
        self.tokens = keras.Sequential([layers.Dense(count, activation="gelu"), layers.Dense(count)])
        self.channels = keras.Sequential([layers.Dense(2 * width, activation="gelu"), layers.Dense(width)])
        self.normalize = layers.LayerNormalization(epsilon=1e-6)

    def call(self, inputs):
        mixed = self.tokens(ops.transpose(self.normalize(inputs), axes=(0, 2, 1)))
        x = ops.transpose(mixed, axes=(0, 2, 1)) + inputs
        return x + self.channels(self.normalize(x))


def attention_block(encoded):
    x1 = layers.LayerNormalization(epsilon=1e-6)(encoded)
    attended = layers.MultiHeadAttention(num_heads=2, key_dim=WIDTH // 2, dropout=0.1)(x1, x1)
    x2 = layers.Add()([attended, encoded])
    x3 = layers.Dense(WIDTH, activation=keras.activations.gelu)(layers.LayerNormalization(epsilon=1e-6)(x2))
    return layers.Add()([layers.Dropout(0.1)(x3), x2])


def classifier(body):
    inputs = keras.Input((8, 8, 1))
    x = body(PatchEncoder(COUNT, WIDTH)(Patches(PATCH)(inputs)))
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(x))
    return keras.Model(inputs, layers.Dense(10)(x))


(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, x_test = x_train[..., None] / np.float32(16), x_test[..., None] / np.float32(16)
for body in (attention_block, keras.Sequential([Mixer(COUNT, WIDTH) for _ in range(2)])):
    model = classifier(body)
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=5e-3, weight_decay=1e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            keras.metrics.SparseTopKCategoricalAccuracy(2, name="top-2-accuracy"),
        ],
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "best.weights.h5")
        best = keras.callbacks.ModelCheckpoint(path, "val_accuracy", save_best_only=True, save_weights_only=True)
        history = model.fit(
            x_train, y_train, batch_size=64, epochs=8, validation_split=0.1, callbacks=[best], verbose=0
        ).history
        model.load_weights(path)
    assert max(history["val_accuracy"]) > 0.85, history
    loss, accuracy, top_2 = model.evaluate(x_test, y_test, verbose=0)
    assert accuracy > 0.8, accuracy
    assert top_2 > accuracy
