"""Classifies sequences of words by a transformer's block (Vaswani et al., arXiv:1706.03762), written as layers.

The words are drawn: a text is of the second kind if more of its words come from the upper half of the vocabulary than
from the lower, after the word that says where to begin.
"""

import argparse
import json

import numpy as np

import gpunet as keras
from gpunet import layers, ops

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--samples", type=int, default=4000)
options = parser.parse_args()
keras.utils.set_random_seed(0)
vocabulary, length, width = 100, 30, 32


class Encoder(layers.Layer):
    """Every word looks at all, then each is transformed by itself; a residual connection and a normalisation each."""

    def __init__(self, heads, hidden, rate):
        super().__init__()
        self.look = layers.MultiHeadAttention(heads, width)
        self.transform = keras.Sequential([layers.Dense(hidden, activation="relu"), layers.Dense(width)])
        self.norms = [layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
        self.drops = [layers.Dropout(rate) for _ in range(2)]

    def call(self, words):
        for part, drop, norm in zip((lambda x: self.look(x, x), self.transform), self.drops, self.norms):
            words = norm(words + drop(part(words)))
        return words


class Words(layers.Layer):
    """A vector for each word plus one for its place."""

    def __init__(self):
        super().__init__()
        self.meanings, self.places = layers.Embedding(vocabulary, width), layers.Embedding(length, width)

    def call(self, words):
        where = self.places(ops.arange(ops.shape(words)[-1]))
        return self.meanings(words) + where


def texts(count, seed):
    """Texts and their kinds."""
    random = np.random.default_rng(seed)
    words = random.integers(2, vocabulary, (count, length))
    begin = random.integers(0, length // 2, count)
    words[np.arange(count), begin] = 1
    votes = (np.arange(length) > begin[:, None]) * np.where(words >= vocabulary // 2, 1, -1)
    return words, (votes.sum(1) > 0).astype("int64")


train, unseen = texts(options.samples, 0), texts(1000, 1)

words = keras.Input((length,))
y = Words()(words)
y = layers.GlobalAveragePooling1D()(Encoder(2, 32, 0.1)(y))
y = layers.Dropout(0.1)(y)
y = layers.Dense(20, activation="relu")(y)
y = layers.Dropout(0.1)(y)
classifier = keras.Model(words, layers.Dense(2, activation="softmax")(y))
classifier.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
classifier.fit(*train, batch_size=32, epochs=options.epochs, validation_data=unseen, verbose=2)
loss, accuracy = classifier.evaluate(*unseen, verbose=0)
print(json.dumps({"validation loss": loss, "validation accuracy": accuracy}))
