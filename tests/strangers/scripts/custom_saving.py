"""A layer with a file and arrays of its own, registered, in a `.keras` file, as in the guide on custom saving."""

import os
import tempfile

import numpy as np

import gpunet as keras
from gpunet import layers, ops


@keras.saving.register_keras_serializable(package="strangers")
class Vocabulary(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.words = []
        self.counts = np.zeros(4, "float32")

    def learn(self, words):
        self.words = sorted(set(words))
        self.counts = np.array([words.count(word) for word in self.words], "float32")

    def call(self, indices):
        return ops.take(ops.convert_to_tensor(self.counts), indices)

    def save_assets(self, inner_path):
        with open(os.path.join(inner_path, "vocabulary.txt"), "w") as file:
            file.write("\n".join(self.words))

    def load_assets(self, inner_path):
        with open(os.path.join(inner_path, "vocabulary.txt")) as file:
            self.words = file.read().split("\n")

    def save_own_variables(self, store):
        store["counts"] = self.counts

    def load_own_variables(self, store):
        self.counts = np.array(store["counts"])


first, second = Vocabulary(name="first"), Vocabulary(name="second")
first.learn("to be or not to be".split())
second.learn("a rose is a rose is a rose".split())
inputs = keras.Input((3,), dtype="int32")
model = keras.Model(inputs, layers.Concatenate()([first(inputs), second(inputs)]))
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.keras")
    model.save(path)
    again = keras.models.load_model(path)
assert again.get_layer("first").words == ["be", "not", "or", "to"]
assert again.get_layer("second").words == ["a", "is", "rose"]
x = np.array([[0, 1, 2], [2, 1, 0]])
np.testing.assert_array_equal(again.predict(x, verbose=0), [[2, 1, 1, 3, 2, 3], [1, 1, 2, 3, 2, 3]])
np.testing.assert_array_equal(keras.models.model_from_json(model.to_json()).input_shape, model.input_shape)
