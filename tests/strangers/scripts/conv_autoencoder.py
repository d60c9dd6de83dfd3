"""A convolutional denoising autoencoder on the digits."""

import numpy as np

import gpunet as keras
from gpunet.datasets import digits
from gpunet.layers import Conv2D, Conv2DTranspose, Input, MaxPooling2D

keras.utils.set_random_seed(0)
(train_data, _), (test_data, _) = digits.load_data()
train_data = train_data[..., None].astype("float32") / 16
test_data = test_data[..., None].astype("float32") / 16
rng = np.random.default_rng(0)


def noise(array, noise_factor=0.3):
    return np.clip(array + noise_factor * rng.normal(size=array.shape), 0.0, 1.0)


inputs = Input(shape=(8, 8, 1))
x = Conv2D(16, (3, 3), activation="relu", padding="same")(inputs)
x = MaxPooling2D((2, 2), padding="same")(x)
x = Conv2D(16, (3, 3), activation="relu", padding="same")(x)
x = MaxPooling2D((2, 2), padding="same")(x)
x = Conv2DTranspose(16, (3, 3), strides=2, activation="relu", padding="same")(x)
x = Conv2DTranspose(16, (3, 3), strides=2, activation="relu", padding="same")(x)
x = Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x)
autoencoder = keras.Model(inputs, x)
autoencoder.compile(optimizer=keras.optimizers.Adam(1e-2), loss="binary_crossentropy")
autoencoder.summary()

noisy_train, noisy_test = noise(train_data), noise(test_data)
history = autoencoder.fit(
    x=noisy_train,
    y=train_data,
    epochs=6,
    batch_size=64,
    shuffle=True,
    validation_data=(noisy_test, test_data),
    verbose=2,
)
denoised = autoencoder.predict(noisy_test, verbose=0)
assert denoised.shape == test_data.shape
assert np.mean((denoised - test_data) ** 2) < 0.75 * np.mean((noisy_test - test_data) ** 2)
