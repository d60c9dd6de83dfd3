"""Sequence to sequence: encoder states start the decoder; saved, loaded, and taken apart for inference."""

import os
import tempfile

import numpy as np

import gpunet as keras
from gpunet import layers

keras.utils.set_random_seed(0)
SYMBOLS, LENGTH, UNITS = 6, 4, 48
START = SYMBOLS  # the decoder's first symbol


def one_hot(x, n):
    return np.eye(n, dtype="float32")[x]


rng = np.random.default_rng(0)
source = rng.integers(0, SYMBOLS, (1500, LENGTH))
target = source[:, ::-1]  # the language in which everything is said backwards
decoder_input = np.concatenate([np.full((len(source), 1), START), target[:, :-1]], axis=1)

encoder_inputs = keras.Input((None, SYMBOLS), name="words")
_, state_h, state_c = layers.LSTM(UNITS, return_state=True, name="encoder")(encoder_inputs)
decoder_inputs = keras.Input((None, SYMBOLS + 1), name="so_far")
decoder_lstm = layers.LSTM(UNITS, return_sequences=True, return_state=True, name="decoder")
decoded, _, _ = decoder_lstm(decoder_inputs, initial_state=[state_h, state_c])
outputs = layers.Dense(SYMBOLS, activation="softmax", name="symbol")(decoded)
model = keras.Model([encoder_inputs, decoder_inputs], outputs)
model.compile(keras.optimizers.RMSprop(1e-2), "categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    [one_hot(source, SYMBOLS), one_hot(decoder_input, SYMBOLS + 1)],
    one_hot(target, SYMBOLS),
    batch_size=50,
    epochs=12,
    validation_split=0.2,
    verbose=0,
).history
assert history["val_accuracy"][-1] > 0.9, history["val_accuracy"]

with tempfile.TemporaryDirectory() as folder:
    model.save(os.path.join(folder, "s2s.keras"))
    model = keras.models.load_model(os.path.join(folder, "s2s.keras"))
_, state_h, state_c = model.get_layer("encoder").output
encoder = keras.Model(model.input[0], [state_h, state_c])
states = [keras.Input((UNITS,)), keras.Input((UNITS,))]
decoded, *new_states = model.get_layer("decoder")(model.input[1], initial_state=states)
decoder = keras.Model([model.input[1], *states], [model.get_layer("symbol")(decoded), *new_states])


def translate(sequence):
    state = encoder.predict(sequence[None], verbose=0)
    symbol, found = START, []
    while len(found) < LENGTH:
        scores, *state = decoder.predict([one_hot([[symbol]], SYMBOLS + 1), *state], verbose=0)
        symbol = int(np.argmax(scores[0, -1]))
        found.append(symbol)
    return found


right = sum(translate(one_hot(words, SYMBOLS)) == list(words[::-1]) for words in source[-20:])
assert right >= 14, right
