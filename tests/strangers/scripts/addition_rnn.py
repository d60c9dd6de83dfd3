"""Sequence to sequence: an LSTM reads "12+7 " and another writes "19", character by character."""

import numpy as np

import gpunet as keras
from gpunet import layers

keras.utils.set_random_seed(0)

DIGITS = 1
MAXLEN = DIGITS + 1 + DIGITS
CHARS = "0123456789+ "


class CharacterTable:
    def __init__(self, chars):
        self.chars = sorted(set(chars))
        self.char_indices = {c: i for i, c in enumerate(self.chars)}

    def encode(self, text, rows):
        x = np.zeros((rows, len(self.chars)))
        for i, c in enumerate(text):
            x[i, self.char_indices[c]] = 1
        return x

    def decode(self, x):
        return "".join(self.chars[i] for i in x.argmax(axis=-1))


table = CharacterTable(CHARS)
pairs = [(a, b) for a in range(10) for b in range(10)]
questions = [f"{a}+{b}".ljust(MAXLEN)[::-1] for a, b in pairs]
expected = [str(a + b).ljust(DIGITS + 1) for a, b in pairs]
x = np.array([table.encode(q, MAXLEN) for q in questions], dtype=bool)
y = np.array([table.encode(e, DIGITS + 1) for e in expected], dtype=bool)

model = keras.Sequential()
model.add(layers.Input((MAXLEN, len(table.chars))))
model.add(layers.LSTM(64))
model.add(layers.RepeatVector(DIGITS + 1))
model.add(layers.LSTM(64, return_sequences=True))
model.add(layers.Dense(len(table.chars), activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(0.02), metrics=["accuracy"])
history = model.fit(x, y, epochs=60, batch_size=25, verbose=0).history
assert history["accuracy"][-1] > 0.9, history["accuracy"][-1]
answers = [table.decode(p) for p in model.predict(x, verbose=0)]
assert np.mean([a == e for a, e in zip(answers, expected)]) > 0.8
