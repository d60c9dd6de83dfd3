"""A script as people wrote it years ago: `from keras import …`, callbacks with files, labels made one-hot."""

import os
import tempfile

import numpy as np

import gpunet

gpunet.install_as_keras()  # the only line that was added

from keras.callbacks import CSVLogger, EarlyStopping, ModelCheckpoint, TensorBoard
from keras.datasets import digits
from keras.layers import Activation, Dense, Dropout, Flatten
from keras.models import Sequential, load_model
from keras.utils import to_categorical

(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, x_test = x_train / 16.0, x_test / 16.0
y_train, y_test = to_categorical(y_train, 10), to_categorical(y_test, 10)

model = Sequential()
model.add(Flatten(input_shape=(8, 8)))
model.add(Dense(64))
model.add(Activation("relu"))
model.add(Dropout(0.2))
model.add(Dense(10, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
model.summary()

with tempfile.TemporaryDirectory() as folder:
    best = os.path.join(folder, "best-{epoch:02d}.keras")
    callbacks = [
        EarlyStopping(monitor="val_loss", patience=3),
        ModelCheckpoint(best, monitor="val_accuracy", save_best_only=True, verbose=1),
        CSVLogger(os.path.join(folder, "log.csv")),
        TensorBoard(os.path.join(folder, "logs"), histogram_freq=1),
    ]
    model.fit(x_train, y_train, batch_size=64, epochs=20, validation_split=0.1, callbacks=callbacks, verbose=0)
    files = sorted(name for name in os.listdir(folder) if name.endswith(".keras"))
    again = load_model(os.path.join(folder, files[-1]))

score = again.evaluate(x_test, y_test, verbose=0)
assert score[1] > 0.9, score
assert np.argmax(again.predict(x_test[:1], verbose=0)) == np.argmax(y_test[0])
print("accuracy", score[1])
