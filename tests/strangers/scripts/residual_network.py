"""A small ResNet written functionally, with shortcuts, shared by a helper function."""

import gpunet as keras
from gpunet import layers
from gpunet.datasets import digits

keras.utils.set_random_seed(0)


def block(x, filters, strides=1):
    shortcut = x
    y = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    y = layers.BatchNormalization(momentum=0.8)(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(y)
    y = layers.BatchNormalization(momentum=0.8)(y)
    if strides != 1 or x.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, strides=strides, use_bias=False)(x)
    return layers.ReLU()(layers.add([y, shortcut]))


inputs = keras.Input((8, 8, 1))
x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
for filters, strides in ((8, 1), (16, 2)):
    x = block(x, filters, strides)
x = layers.GlobalAvgPool2D()(x)
outputs = layers.Dense(10, activation="softmax")(x)
model = keras.Model(inputs, outputs, name="tiny_resnet")
model.summary(show_trainable=True)
assert model.count_params() == sum(w.size for w in model.get_weights())
assert model.output_shape == (None, 10)

(x_train, y_train), (x_test, y_test) = digits.load_data()
model.compile(
    keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True), "sparse_categorical_crossentropy", metrics=["accuracy"]
)
history = model.fit(x_train[..., None] / 16, y_train, batch_size=64, epochs=6, verbose=2)
assert history.history["accuracy"][-1] > 0.9
assert model.evaluate(x_test[..., None] / 16, y_test, verbose=0)[1] > 0.7
