"""Models as layers: an autoencoder of an encoder and a decoder, and an ensemble, as in the functional guide."""

import numpy as np

import gpunet as keras
from gpunet import layers

keras.utils.set_random_seed(0)
encoder_input = keras.Input(shape=(8, 8, 1), name="img")
x = layers.Conv2D(8, 3, activation="relu")(encoder_input)
x = layers.MaxPooling2D(2)(x)
encoder_output = layers.GlobalAveragePooling2D()(x)
encoder = keras.Model(encoder_input, encoder_output, name="encoder")

decoder_input = keras.Input(shape=(8,), name="encoded_img")
x = layers.Reshape((2, 2, 2))(decoder_input)
x = layers.Conv2DTranspose(8, 3, activation="relu")(x)
x = layers.UpSampling2D(2)(x)
decoder_output = layers.Conv2D(1, 1)(x)
decoder = keras.Model(decoder_input, decoder_output, name="decoder")

autoencoder_input = keras.Input(shape=(8, 8, 1), name="img")
encoded_img = encoder(autoencoder_input)
decoded_img = decoder(encoded_img)
autoencoder = keras.Model(autoencoder_input, decoded_img, name="autoencoder")
autoencoder.summary(expand_nested=True)
assert autoencoder.output_shape == (None, 8, 8, 1)
assert [layer.name for layer in autoencoder.layers] == ["img", "encoder", "decoder"]
assert autoencoder.get_layer("encoder") is encoder


def get_model():
    inputs = keras.Input(shape=(128,))
    outputs = layers.Dense(1)(inputs)
    return keras.Model(inputs, outputs)


models = [get_model() for _ in range(3)]
inputs = keras.Input(shape=(128,))
outputs = sum(m(inputs) for m in models) / 3
ensemble = keras.Model(inputs=inputs, outputs=outputs)
data = np.random.default_rng(0).normal(size=(5, 128)).astype("float32")
expected = np.mean([m.predict(data, verbose=0) for m in models], axis=0)
np.testing.assert_allclose(ensemble.predict(data, verbose=0), expected, rtol=1e-4, atol=1e-6)
assert len(ensemble.weights) == 6

# Reusing what is in the graph: a model of all the features of another.
features = keras.Model(inputs=encoder.inputs, outputs=[layer.output for layer in encoder.layers])
maps = features.predict(np.ones((2, 8, 8, 1), "float32"), verbose=0)
assert [m.shape for m in maps] == [(2, 8, 8, 1), (2, 6, 6, 8), (2, 3, 3, 8), (2, 8)]

stack = keras.Sequential([encoder, keras.Sequential([layers.Dense(4, "relu"), layers.Dense(2)])])
stack.compile("adam", "mse")
stack.fit(np.ones((4, 8, 8, 1)), np.zeros((4, 2)), verbose=0)
assert len(stack.trainable_weights) == 2 + 4
