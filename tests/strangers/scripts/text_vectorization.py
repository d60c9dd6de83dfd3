"""Reviews of a line each, good or bad: words to numbers by TextVectorization, then a small convolution over them."""

import random

import numpy as np

import gpunet as keras
from gpunet import layers

keras.utils.set_random_seed(3)
random.seed(3)

GOOD = ["great", "wonderful", "loved it", "a joy", "superb"]
BAD = ["awful", "boring", "hated it", "a mess", "dreadful"]
THINGS = ["The film", "This plot", "The acting", "Every scene", "The music"]
ENDS = ["!", ".", ", really.", " - in the end.", "?!"]


def review(good):
    return f"{random.choice(THINGS)} was {random.choice(GOOD if good else BAD)}{random.choice(ENDS)}"


labels = np.array([i % 2 for i in range(400)])
texts = [review(label) for label in labels]

vectorize_layer = layers.TextVectorization(max_tokens=200, output_mode="int", output_sequence_length=12)
vectorize_layer.adapt(texts[:300])
vocabulary = vectorize_layer.get_vocabulary()
assert vocabulary[:3] == ["", "[UNK]", "was"], vocabulary[:5]

inputs = keras.Input(shape=(None,), dtype="int64")
x = layers.Embedding(vectorize_layer.vocabulary_size(), 16)(inputs)
x = layers.Conv1D(32, 3, padding="same", activation="relu")(x)
x = layers.GlobalMaxPooling1D()(x)
x = layers.Dropout(0.2)(x)
outputs = layers.Dense(1, activation="sigmoid")(x)
model = keras.Model(inputs, outputs)
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])

x_train, x_test = vectorize_layer(texts[:300]), vectorize_layer(texts[300:])
assert x_train.shape == (300, 12)
model.fit(x_train, labels[:300], validation_data=(x_test, labels[300:]), epochs=8, batch_size=32, verbose=0)
loss, accuracy = model.evaluate(x_test, labels[300:], verbose=0)
assert accuracy > 0.95, accuracy

score = model.predict(vectorize_layer(["The music was great, really", "what a dreadful mess!"]), verbose=0)
assert score[0] > 0.5 > score[1], score

# The same texts as bags of words.
bags = layers.TextVectorization(output_mode="tf_idf", ngrams=2)
bags.adapt(np.array(texts[:300]))
linear = keras.Sequential([layers.Dense(1, activation="sigmoid")])
linear.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(0.05), metrics=["accuracy"])
linear.fit(bags(texts[:300]), labels[:300], epochs=5, verbose=0)
assert linear.evaluate(bags(texts[300:]), labels[300:], return_dict=True, verbose=0)["accuracy"] > 0.95
