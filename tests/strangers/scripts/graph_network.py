"""Node classification: messages along edges are gathered and summed by segments."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
NODES, CLASSES = 60, 3
labels = rng.integers(0, CLASSES, NODES)
pairs = rng.integers(0, NODES, (2, 3000))
edges = pairs[:, labels[pairs[0]] == labels[pairs[1]]][:, :400]  # neighbours are mostly alike
features = (np.eye(CLASSES)[labels] + rng.normal(0, 1.2, (NODES, CLASSES))).astype("float32")


def feed_forward(units, name=None):
    stack = [[layers.BatchNormalization(), layers.Dropout(0.1), layers.Dense(n, activation="gelu")] for n in units]
    return keras.Sequential([layer for block in stack for layer in block], name=name)


class GraphConvolution(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.prepare, self.update = feed_forward(units), feed_forward(units)

    def call(self, inputs):
        nodes, edges, weights = inputs
        count = nodes.shape[0]
        messages = self.prepare(ops.take(nodes, edges[1], axis=0)) * ops.expand_dims(weights, -1)
        total = ops.segment_sum(messages, edges[0], num_segments=count)
        degree = ops.segment_sum(weights, edges[0], num_segments=count)
        mean = total / ops.maximum(degree, 1.0)[:, None]
        return self.update(ops.concatenate([nodes, mean], axis=1))


class NodeClassifier(keras.Model):
    def __init__(self, features, edges, classes, units, **kwargs):
        super().__init__(**kwargs)
        self.node_features, self.edges = ops.convert_to_tensor(features), ops.convert_to_tensor(edges)
        self.edge_weights = ops.ones(edges.shape[1])
        self.before, self.after = feed_forward(units, "before"), feed_forward(units, "after")
        self.first, self.second = GraphConvolution(units, name="conv_1"), GraphConvolution(units, name="conv_2")
        self.logits = layers.Dense(classes)

    def call(self, indices):
        x = self.before(self.node_features)
        x = x + self.first((x, self.edges, self.edge_weights))
        x = x + self.second((x, self.edges, self.edge_weights))
        return self.logits(ops.take(self.after(x), indices, axis=0))


model = NodeClassifier(features, edges, CLASSES, [16, 16], name="gnn")
assert model(np.array([1, 10, 30])).shape == (3, CLASSES)
model.compile(
    optimizer=keras.optimizers.Adam(0.01),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
)
known, unknown = np.arange(0, 40), np.arange(40, NODES)
stop = keras.callbacks.EarlyStopping(monitor="val_acc", patience=15, restore_best_weights=True)
model.fit(
    known,
    labels[known],
    validation_data=(unknown, labels[unknown]),
    epochs=40,
    batch_size=20,
    callbacks=[stop],
    verbose=0,
)
by_features = (features.argmax(1) == labels)[unknown].mean()
_, accuracy = model.evaluate(unknown, labels[unknown], verbose=0)
assert accuracy > max(0.8, by_features), (accuracy, by_features)
assert model.predict(np.arange(5), verbose=0).shape == (5, CLASSES)
