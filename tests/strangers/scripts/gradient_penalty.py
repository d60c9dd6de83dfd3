"""WGAN-GP: a gradient penalty differentiates a gradient."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(0)
critic = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(8, 3, strides=2, padding="same"),
        layers.ReLU(negative_slope=0.2),
        layers.Flatten(),
        layers.Dense(16, activation="tanh"),
        layers.Dense(1),
    ]
)


def gradient_penalty(real_images, fake_images):
    batch_size = len(real_images)
    alpha = keras.random.uniform((batch_size, 1, 1, 1))
    interpolated = real_images + alpha * (fake_images - real_images)
    with keras.GradientTape() as gp_tape:
        gp_tape.watch(interpolated)
        pred = critic(interpolated, training=True)
    grads = gp_tape.gradient(pred, [interpolated])[0]
    norm = ops.sqrt(ops.sum(ops.square(grads), axis=[1, 2, 3]))
    return ops.mean((norm - 1.0) ** 2), norm


rng = np.random.default_rng(0)
optimizer = keras.optimizers.Adam(learning_rate=0.005, beta_1=0.5, beta_2=0.9)
norms = []
for _ in range(60):
    real = rng.normal(1.0, 0.1, (32, 8, 8, 1)).astype(np.float32)
    fake = rng.normal(0.0, 0.1, (32, 8, 8, 1)).astype(np.float32)
    with keras.GradientTape() as tape:
        cost = ops.mean(critic(fake)) - ops.mean(critic(real))
        penalty, norm = gradient_penalty(real, fake)
        loss = cost + 10.0 * penalty
    grads = tape.gradient(loss, critic.trainable_variables)
    optimizer.apply_gradients(zip(grads, critic.trainable_variables))
    norms.append(float(ops.mean(norm)))
assert abs(norms[-1] - 1) < 0.3, norms[-1]
assert float(cost) < -1
