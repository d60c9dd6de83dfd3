"""ConvMixer, which mixes patches of photographs by convolutions alone (Trockman and Kolter, arXiv:2201.09792)."""

import argparse
import json

import gpunet as keras
from examples.gallery import data
from gpunet import layers

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--samples", type=int, default=5000)
parser.add_argument("--filters", type=int, default=64)
parser.add_argument("--depth", type=int, default=4)
options = parser.parse_args()
keras.utils.set_random_seed(0)
train, test = data.cifar10(options.samples)


def settled(y):
    """GELU, then batch normalisation: in this order here."""
    return layers.BatchNormalization()(layers.Activation("gelu")(y))


def mixed(y):
    """One block: along the image channel by channel, with a residual connection, then across the channels."""
    along = settled(layers.DepthwiseConv2D(5, padding="same")(y))
    return settled(layers.Conv2D(options.filters, 1)(layers.Add()([along, y])))


photos = keras.Input((32, 32, 3))
y = layers.Rescaling(1 / 255)(photos)
y = settled(layers.Conv2D(options.filters, 2, strides=2)(y))  # patches of 2 × 2 pixels
for _ in range(options.depth):
    y = mixed(y)
mixer = keras.Model(photos, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(y)))

mixer.compile(keras.optimizers.AdamW(0.003, weight_decay=1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
mixer.summary()
history = mixer.fit(*train, batch_size=64, epochs=options.epochs, verbose=2)
loss, accuracy = mixer.evaluate(*test, verbose=0)
print(json.dumps({"training loss": history.history["loss"][-1], "test loss": loss, "test accuracy": accuracy}))
