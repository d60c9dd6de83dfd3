"""Denoising diffusion: a small U-Net guesses the noise, a slowly following copy of it makes pictures."""

import math

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(0)
SIZE, BATCH = 8, 32


@keras.saving.register_keras_serializable(package="diffusion")
def noise_features(variance):
    frequencies = ops.exp(ops.linspace(0.0, math.log(100.0), 4))
    angles = 2.0 * math.pi * frequencies * variance
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=3)


def residual(x, width):
    shortcut = x if x.shape[-1] == width else layers.Conv2D(width, 1)(x)
    x = layers.BatchNormalization(center=False, scale=False)(x)
    x = layers.Conv2D(width, 3, padding="same", activation="swish")(x)
    return layers.Add()([layers.Conv2D(width, 3, padding="same")(x), shortcut])


def unet():
    image, variance = keras.Input((SIZE, SIZE, 1)), keras.Input((1, 1, 1))
    features = layers.Lambda(noise_features, output_shape=(1, 1, 8))(variance)
    features = layers.UpSampling2D(SIZE, interpolation="nearest")(features)
    top = residual(layers.Concatenate()([layers.Conv2D(8, 1)(image), features]), 16)
    bottom = residual(layers.AveragePooling2D(2)(top), 24)
    x = layers.UpSampling2D(2, interpolation="bilinear")(bottom)
    x = residual(layers.Concatenate()([x, top]), 16)
    return keras.Model([image, variance], layers.Conv2D(1, 1, kernel_initializer="zeros")(x), name="unet")


class Diffusion(keras.Model):
    def __init__(self):
        super().__init__()
        self.normalizer = layers.Normalization()
        self.network = unet()
        self.ema_network = keras.models.clone_model(self.network)
        self.ema_network.set_weights(self.network.get_weights())

    def compile(self, **kwargs):
        super().compile(**kwargs)
        self.noise_loss_tracker = keras.metrics.Mean(name="noise_loss")

    @property
    def metrics(self):
        return [self.noise_loss_tracker]

    def rates(self, time):
        start, end = math.acos(0.95), math.acos(0.02)
        angle = start + time * (end - start)
        return ops.sin(angle), ops.cos(angle)

    def train_step(self, images):
        images = self.normalizer(images)
        noise = keras.random.normal(ops.shape(images))
        noise_rate, signal_rate = self.rates(keras.random.uniform((ops.shape(images)[0], 1, 1, 1)))
        with keras.GradientTape() as tape:
            guess = self.network([signal_rate * images + noise_rate * noise, noise_rate**2], training=True)
            loss = self.loss(noise, guess)
        gradients = tape.gradient(loss, self.network.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_weights))
        self.noise_loss_tracker.update_state(loss)
        for weight, ema_weight in zip(self.network.weights, self.ema_network.weights):
            ema_weight.assign(0.9 * ema_weight + 0.1 * weight)
        return {m.name: m.result() for m in self.metrics}

    def generate(self, count, steps):
        noisy = keras.random.normal((count, SIZE, SIZE, 1))
        for step in range(steps):
            noise_rate, signal_rate = self.rates(ops.ones((count, 1, 1, 1)) * (1 - step / steps))
            noise = self.ema_network([noisy, noise_rate**2], training=False)
            image = (noisy - noise_rate * noise) / signal_rate
            noise_rate, signal_rate = self.rates(ops.ones((count, 1, 1, 1)) * (1 - (step + 1) / steps))
            noisy = signal_rate * image + noise_rate * noise
        return self.normalizer.mean + image * self.normalizer.variance**0.5


rng = np.random.default_rng(0)
ramp = np.linspace(0, 1, SIZE, dtype="float32")[None, :, None, None]
pictures = np.repeat(ramp, SIZE, 2) * rng.uniform(0.5, 1.0, (256, 1, 1, 1)).astype("float32")
model = Diffusion()
model.normalizer.adapt(pictures)
model.compile(optimizer=keras.optimizers.AdamW(3e-3, weight_decay=1e-4), loss=keras.losses.mean_absolute_error)
history = model.fit(pictures, epochs=12, batch_size=BATCH, verbose=0).history["noise_loss"]
assert history[-1] < 0.6 * history[0], history
made = ops.convert_to_numpy(model.generate(4, 8))
assert made.shape == (4, SIZE, SIZE, 1)
by_row = made.mean((0, 2, 3))
assert by_row[-3:].mean() > by_row[:3].mean() + 0.1, by_row  # they get brighter downwards
