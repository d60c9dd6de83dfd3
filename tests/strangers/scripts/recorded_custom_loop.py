"""A training loop of one's own, recorded with a decorator, with a learning rate that decays by hand."""

import numpy as np

import gpunet
from gpunet import layers, ops
from gpunet.datasets import digits

gpunet.set_random_seed(4)
(x, y), (x_test, y_test) = digits.load_data()
x, x_test = x.reshape(-1, 64).astype("float32") / 16, x_test.reshape(-1, 64).astype("float32") / 16

model = gpunet.Sequential(
    [layers.Input((64,)), layers.Dense(48, activation="relu"), layers.Dropout(0.1), layers.Dense(10)]
)
optimizer = gpunet.optimizers.Adam(1e-2)
loss_fn = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)


@gpunet.function
def train_step(images, labels):
    with gpunet.GradientTape() as tape:
        loss = loss_fn(labels, model(images, training=True))
    weights = model.trainable_weights
    optimizer.apply(tape.gradient(loss, weights), weights)
    return loss


rng = np.random.default_rng(0)
losses = []
for epoch in range(8):
    optimizer.learning_rate = 1e-2 * 0.7**epoch
    order = rng.permutation(len(x))
    for i in range(0, len(x), 64):
        batch = order[i : i + 64]
        losses.append(float(train_step(x[batch], y[batch])))

assert np.mean(losses[-20:]) < 0.2 * np.mean(losses[:5])
accuracy = float(np.mean(np.argmax(model.predict(x_test, verbose=0), axis=1) == y_test))
assert accuracy > 0.93, accuracy
assert train_step.obstacles() == {}
ops.exp(x[:1])  # plain arrays still work after all that
