"""A recurrent network learns to add two numbers that are written as text."""

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
DIGITS = options.digits
MAXLEN = DIGITS + 1 + DIGITS
CHARS = "0123456789+ "


class CharacterTable:
    """Text as one-hot rows, and rows of scores as text."""

    def __init__(self, chars):
        self.chars = sorted(set(chars))
        self.indices = {char: i for i, char in enumerate(self.chars)}

    def encode(self, text, num_rows):
        x = np.zeros((num_rows, len(self.chars)))
        for i, char in enumerate(text):
            x[i, self.indices[char]] = 1
        return x

    def decode(self, x):
        return "".join(self.chars[i] for i in x.argmax(axis=-1))


table = CharacterTable(CHARS)
pairs = [tuple(pair) for pair in random.integers(0, 10**DIGITS, (3 * options.samples, 2))]
pairs = list(dict.fromkeys(pairs))[: options.samples]
questions = [f"{a}+{b}".ljust(MAXLEN)[::-1] for a, b in pairs]  # reversed, which is easier to learn
answers = [str(a + b).ljust(DIGITS + 1) for a, b in pairs]
x = np.array([table.encode(question, MAXLEN) for question in questions], dtype=bool)
y = np.array([table.encode(answer, DIGITS + 1) for answer in answers], dtype=bool)
split = len(x) - len(x) // 10
x_train, x_val, y_train, y_val = x[:split], x[split:], y[:split], y[split:]

model = keras.Sequential()
model.add(layers.Input((MAXLEN, len(CHARS))))
model.add(layers.LSTM(128))
model.add(layers.RepeatVector(DIGITS + 1))
model.add(layers.LSTM(128, return_sequences=True))
model.add(layers.Dense(len(CHARS), activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.summary()
model.fit(x_train, y_train, batch_size=32, epochs=options.epochs, validation_data=(x_val, y_val), verbose=2)

for row in range(5):
    guess = table.decode(model.predict(x_val[row : row + 1], verbose=0)[0])
    right = table.decode(y_val[row])
    print(f"{table.decode(x_val[row])[::-1]} = {right} {'yes' if guess == right else 'no '} {guess}")
loss, accuracy = model.evaluate(x_val, y_val, verbose=0)
print(json.dumps({"validation loss": loss, "validation accuracy": accuracy}))
