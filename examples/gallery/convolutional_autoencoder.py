"""Takes noise off images of digits: an encoder that halves them twice, and a decoder that doubles them again."""

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


def clean_and_noisy(images):
    """The images from 0 to 1, and the same with normal noise on them."""
    clean = images[..., None].astype("float32") / 255
    return clean, np.clip(clean + 0.4 * random.normal(size=clean.shape), 0, 1).astype("float32")


def squared_error(a, b):
    return float(np.mean((a - b) ** 2))


(train_images, _), (test_images, _) = data.mnist(options.samples)
(clean, noisy), (clean_test, noisy_test) = clean_and_noisy(train_images), clean_and_noisy(test_images[:2000])

pixels = keras.Input((28, 28, 1))
y = pixels
for _ in range(2):
    y = layers.Conv2D(32, 3, padding="same", activation="relu")(y)
    y = layers.MaxPooling2D(2, padding="same")(y)
for _ in range(2):
    y = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(y)
restorer = Model(pixels, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(y))
restorer.summary()

restorer.compile("adam", "binary_crossentropy")
restorer.fit(noisy, clean, batch_size=128, epochs=options.epochs, validation_data=(noisy_test, clean_test), verbose=2)
restored = restorer.predict(noisy_test, verbose=0)
loss = restorer.evaluate(noisy_test, clean_test, verbose=0)
left = squared_error(restored, clean_test) / squared_error(noisy_test, clean_test)
print(json.dumps({"test loss": loss, "share of the noise left": left}))
