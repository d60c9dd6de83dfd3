"""Reads handwritten digits: two convolutions, two poolings and a classifier."""

import argparse
import json

import gpunet as keras
from examples.gallery import data
from gpunet import layers

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--samples", type=int, default=60000)
options = parser.parse_args()
keras.utils.set_random_seed(0)


def prepared(images, labels):
    """Images from 0 to 1 with a channel, and one-hot labels."""
    return images[..., None].astype("float32") / 255, keras.utils.to_categorical(labels, 10)


train, test = (prepared(*part) for part in data.mnist(options.samples))

network = keras.Sequential([keras.Input((28, 28, 1))])
for width in (32, 64):
    network.add(layers.Conv2D(width, 3, activation="relu"))
    network.add(layers.MaxPooling2D())
network.add(layers.Flatten())
network.add(layers.Dropout(0.5))
network.add(layers.Dense(10, activation="softmax"))
network.summary()

network.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
network.fit(*train, batch_size=128, epochs=options.epochs, validation_split=0.1, verbose=2)
loss, accuracy = network.evaluate(*test, verbose=0)
print(json.dumps({"test loss": loss, "test accuracy": accuracy}))
