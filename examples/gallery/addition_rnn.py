"""Adds two numbers that are written as text: one recurrent network reads it, another writes the sum."""

import argparse
import json

import numpy as np

import gpunet as keras
from gpunet import layers

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--samples", type=int, default=4000)
parser.add_argument("--digits", type=int, default=2)
options = parser.parse_args()
keras.utils.set_random_seed(0)
random = np.random.default_rng(0)

alphabet = sorted("0123456789+ ")
ask_length, answer_length = 2 * options.digits + 1, options.digits + 1


def one_hot(texts, length):
    """(texts, length, characters), True for the character at each place."""
    places = [[alphabet.index(c) for c in text.ljust(length)] for text in texts]
    return np.eye(len(alphabet), dtype=bool)[places]


def text(rows):
    """The likeliest character of each row."""
    return "".join(alphabet[i] for i in rows.argmax(-1))


drawn = random.integers(0, 10**options.digits, (3 * options.samples, 2))
summands = list(dict.fromkeys(map(tuple, drawn)))[: options.samples]  # each pair once
# The question is read from its end to its beginning, which is easier to learn.
asked = one_hot([f"{a}+{b}".ljust(ask_length)[::-1] for a, b in summands], ask_length)
answers = one_hot([str(a + b) for a, b in summands], answer_length)
seen = len(summands) - len(summands) // 10
unseen = asked[seen:], answers[seen:]

adder = keras.Sequential(
    [
        keras.Input((ask_length, len(alphabet))),
        layers.LSTM(128),
        layers.RepeatVector(answer_length),
        layers.LSTM(128, return_sequences=True),
        layers.Dense(len(alphabet), activation="softmax"),
    ]
)
adder.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
adder.summary()
adder.fit(asked[:seen], answers[:seen], batch_size=32, epochs=options.epochs, validation_data=unseen, verbose=2)

for question, answer, guess in zip(*unseen, adder.predict(unseen[0][:5], verbose=0)):
    print(f"{text(question)[::-1]} = {text(answer)}, the network says {text(guess)}")
loss, accuracy = adder.evaluate(*unseen, verbose=0)
print(json.dumps({"validation loss": loss, "validation accuracy": accuracy}))
