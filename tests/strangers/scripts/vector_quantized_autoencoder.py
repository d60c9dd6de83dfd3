"""VQ-VAE: codes from a codebook, gradients that pass straight through, and losses that a layer adds."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops
from gpunet.datasets import digits

keras.utils.set_random_seed(0)


class VectorQuantizer(layers.Layer):
    def __init__(self, num_embeddings, embedding_dim, beta=0.25, **kwargs):
        super().__init__(**kwargs)
        self.num_embeddings, self.embedding_dim, self.beta = num_embeddings, embedding_dim, beta
        self.embeddings = self.add_weight(
            shape=(embedding_dim, num_embeddings), initializer=keras.initializers.RandomUniform(-1, 1), name="codes"
        )

    def codes(self, flat):
        similarity = ops.matmul(flat, self.embeddings)
        norms = ops.sum(flat**2, axis=1, keepdims=True) + ops.sum(self.embeddings**2, axis=0)
        return ops.argmin(norms - 2 * similarity, axis=1)

    def call(self, x):
        one_hot = ops.one_hot(self.codes(ops.reshape(x, [-1, self.embedding_dim])), self.num_embeddings)
        quantized = ops.reshape(ops.matmul(one_hot, ops.transpose(self.embeddings)), ops.shape(x))
        commitment = ops.mean((ops.stop_gradient(quantized) - x) ** 2)
        codebook = ops.mean((quantized - ops.stop_gradient(x)) ** 2)
        self.add_loss(self.beta * commitment + codebook)
        return x + ops.stop_gradient(quantized - x)


def autoencoder():
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(inputs)
    encoder = keras.Model(inputs, layers.Conv2D(8, 1)(x), name="encoder")
    codes = keras.Input(encoder.output.shape[1:])
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(codes)
    decoder = keras.Model(codes, layers.Conv2DTranspose(1, 3, padding="same")(x), name="decoder")
    inputs = keras.Input((8, 8, 1))
    quantizer = VectorQuantizer(16, 8, name="quantizer")
    return keras.Model(inputs, decoder(quantizer(encoder(inputs))), name="vq_vae")


class Trainer(keras.Model):
    def __init__(self, vqvae, variance):
        super().__init__()
        self.vqvae, self.variance = vqvae, variance
        self.trackers = [keras.metrics.Mean(name=name) for name in ("loss", "reconstruction_loss", "vq_loss")]

    @property
    def metrics(self):
        return self.trackers

    def train_step(self, x):
        with keras.GradientTape() as tape:
            reconstruction = ops.mean((x - self.vqvae(x)) ** 2) / self.variance
            vq = sum(self.vqvae.losses)
            total = reconstruction + vq
        gradients = tape.gradient(total, self.vqvae.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.vqvae.trainable_variables))
        for tracker, value in zip(self.trackers, (total, reconstruction, vq)):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


(images, _), _ = digits.load_data()
images = images[:512, ..., None] / np.float32(16)
trainer = Trainer(autoencoder(), float(images.var()))
trainer.compile(optimizer=keras.optimizers.Adam(5e-3))
history = trainer.fit(images, epochs=10, batch_size=64, verbose=0).history
assert set(history) == {"loss", "reconstruction_loss", "vq_loss"}
assert history["reconstruction_loss"][-1] < 0.6 * history["reconstruction_loss"][0], history

encoder, quantizer = trainer.vqvae.get_layer("encoder"), trainer.vqvae.get_layer("quantizer")
outputs = encoder.predict(images, verbose=0)
codes = ops.convert_to_numpy(quantizer.codes(outputs.reshape(-1, outputs.shape[-1])))
assert codes.reshape(outputs.shape[:-1]).shape == (512, 4, 4)
assert 1 < len(np.unique(codes)) <= 16
