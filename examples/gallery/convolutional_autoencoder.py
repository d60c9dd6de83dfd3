"""A convolutional autoencoder learns to take noise off images of digits."""

import argparse
import json

import numpy as np

import gpunet as keras
from examples.gallery import data
from gpunet import layers
from gpunet.models import Model

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--samples", type=int, default=10000)
options = parser.parse_args()

keras.utils.set_random_seed(0)
random = np.random.default_rng(0)


def preprocess(array):
    return np.reshape(array.astype("float32") / 255.0, (len(array), 28, 28, 1))


def noise(array, factor=0.4):
    noisy = array + factor * random.normal(size=array.shape)
    return np.clip(noisy, 0.0, 1.0).astype("float32")


(train_data, _), (test_data, _) = data.mnist(options.samples)
train_data, test_data = preprocess(train_data), preprocess(test_data[:2000])
noisy_train_data, noisy_test_data = noise(train_data), noise(test_data)

inputs = layers.Input(shape=(28, 28, 1))
# Encoder
x = layers.Conv2D(32, (3, 3), activation="relu", padding="same")(inputs)
x = layers.MaxPooling2D((2, 2), padding="same")(x)
x = layers.Conv2D(32, (3, 3), activation="relu", padding="same")(x)
x = layers.MaxPooling2D((2, 2), padding="same")(x)
# Decoder
x = layers.Conv2DTranspose(32, (3, 3), strides=2, activation="relu", padding="same")(x)
x = layers.Conv2DTranspose(32, (3, 3), strides=2, activation="relu", padding="same")(x)
x = layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x)

autoencoder = Model(inputs, x)
autoencoder.compile(optimizer="adam", loss="binary_crossentropy")
autoencoder.summary()
autoencoder.fit(
    x=noisy_train_data,
    y=train_data,
    epochs=options.epochs,
    batch_size=128,
    shuffle=True,
    validation_data=(noisy_test_data, test_data),
    verbose=2,
)
predictions = autoencoder.predict(noisy_test_data, verbose=0)
before = float(np.mean((noisy_test_data - test_data) ** 2))
after = float(np.mean((predictions - test_data) ** 2))
loss = autoencoder.evaluate(noisy_test_data, test_data, verbose=0)
print(json.dumps({"test loss": loss, "share of the noise left": after / before}))
