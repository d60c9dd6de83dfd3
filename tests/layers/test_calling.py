"""Calling layers: the `training` argument, masks, losses, building, structures of inputs, captured arguments."""

import json

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, ops

X = np.ones((4, 6), "float32")


class Recorder(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seen = "nothing"

    def call(self, x, training=None):
        self.seen = training
        return x


def test_training_goes_down_to_layers_that_take_it():
    class Middle(layers.Layer):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, x):  # does not take `training` itself
            return self.inner(x)

    inner = Recorder()
    middle = Middle(inner)
    for value in (True, False, None):
        middle(X, training=value) if value is not None else middle(X)
        assert inner.seen is value
    model = keras.Sequential([keras.Input((6,)), middle])
    model(X, training=True)
    assert inner.seen is True
    model.predict(X, verbose=0)
    assert inner.seen is False


def test_dropout_drops_only_while_training():
    layer = layers.Dropout(0.5, seed=1)
    x = np.ones((200, 50), "float32")
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(layer(x, training=False), x)
    first, second = layer(x, training=True).numpy(), layer(x, training=True).numpy()
    assert set(np.unique(first)) == {0.0, 2.0}
    assert abs((first == 0).mean() - 0.5) < 0.02
    assert (first != second).any()
    np.testing.assert_array_equal(layers.Dropout(0.5, seed=1)(x, training=True), first)
    rows = layers.Dropout(0.5, noise_shape=(None, 1))(x, training=True).numpy()
    assert (rows == rows[:, :1]).all()
    assert not layers.Dropout(1.0)(x, training=True).numpy().any()


def test_batch_norm_moves_its_statistics_as_keras_does():
    layer = layers.BatchNormalization(momentum=0.9)
    x = np.random.default_rng(0).normal(3, 2, (64, 5)).astype("float32")
    y = layer(x, training=True).numpy()
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(0), 1, atol=1e-3)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * x.var(0), rtol=1e-4)


def test_batch_norm_leaves_masked_steps_out():
    layer = layers.BatchNormalization()
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    mask = np.array([[True, True, False], [True, False, False]])
    y = layer(x, training=True, mask=mask).numpy()
    np.testing.assert_allclose(y[mask].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.01 * x[mask].mean(0), rtol=1e-4, atol=1e-7)


class Masking(layers.Layer):
    """Marks the steps that are not all zero."""

    def compute_mask(self, inputs, previous_mask=None):
        return ops.any(ops.not_equal(inputs, 0), axis=-1)

    def call(self, x):
        return x


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_global_average_pooling_leaves_masked_steps_out(data_format):
    x = np.random.default_rng(0).standard_normal((2, 4, 3)).astype("float32")
    mask = np.array([[True, False, True, False], [True, True, True, False]])
    expected = [x[0, [0, 2]].mean(0), x[1, :3].mean(0)]
    layer = layers.GlobalAveragePooling1D(data_format)
    given = x if data_format == "channels_last" else x.transpose(0, 2, 1)
    np.testing.assert_allclose(layer(given, mask=mask), expected, rtol=1e-6, atol=1e-6)
    assert layer.compute_mask(given, mask) is None


def test_masks_travel_with_tensors_and_weigh_the_loss():
    x = np.array([[[1.0], [2.0], [0.0]], [[3.0], [0.0], [0.0]]], "float32")
    model = keras.Sequential([keras.Input((3, 1)), Masking(), layers.Dense(1, kernel_initializer="ones")])
    y = model(x)
    expected = [[True, True, False], [True, False, False]]
    np.testing.assert_array_equal(y._keras_mask, expected)
    loss = keras.losses.MeanSquaredError()(np.zeros((2, 3, 1)), y)
    np.testing.assert_allclose(float(loss), (1 + 4 + 9) / 3, rtol=1e-6)
    total = layers.Add()([Masking()(x), Masking()(x)])
    np.testing.assert_array_equal(total._keras_mask, expected)


def test_a_layer_that_cannot_mask_warns():
    class Plain(layers.Layer):
        def call(self, x):
            return ops.sum(x, axis=1)

    with pytest.warns(UserWarning, match="does not support masking"):
        Plain()(Masking()(np.ones((2, 3, 1), "float32")))


def test_softmax_mask():
    p = layers.Softmax()(np.zeros((1, 4), "float32"), mask=np.array([[True, False, True, False]]))
    np.testing.assert_allclose(p, [[0.5, 0, 0.5, 0]], atol=1e-6)


def test_losses_are_those_of_the_last_call():
    class Penalty(layers.Layer):
        def call(self, x):
            self.add_loss(ops.sum(x))
            return x

    layer = Penalty()
    assert layer.losses == []
    layer(X)
    layer(2 * X)
    assert [float(v) for v in layer.losses] == [48.0]
    model = keras.Sequential([keras.Input((6,)), layer, layers.Dense(2, kernel_regularizer=keras.regularizers.L2(0.5))])
    assert len(model.losses) == 1  # nothing has been computed by the model yet, but weights have a penalty
    model(X)
    model(X)
    kernel = model.layers[1].get_weights()[0]
    np.testing.assert_allclose([float(v) for v in model.losses], [24.0, 0.5 * (kernel**2).sum()], rtol=1e-5)
    with pytest.raises(ValueError, match="scalar"):
        layer.add_loss(ops.ones((2,)))


def test_activity_regularizer_is_divided_by_the_batch():
    layer = layers.Dense(3, activity_regularizer=keras.regularizers.L1(0.1))
    y = layer(X)
    np.testing.assert_allclose(float(layer.losses[0]), 0.1 * np.abs(y.numpy()).sum() / 4, rtol=1e-6)


def test_layers_without_build_are_built_by_their_call():
    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.first = layers.Dense(5)
            self.second = layers.Dense(2)

        def call(self, x):
            return self.second(self.first(x))

    block = Block()
    assert not block.built
    symbolic = block(keras.Input((6,)))
    assert symbolic.shape == (None, 2)
    assert block.built
    assert [w.path for w in block.weights] == [
        f"{block.name}/{dense.name}/{name}" for dense in (block.first, block.second) for name in ("kernel", "bias")
    ]


def test_build_with_named_shapes_and_call_with_several_tensors():
    class Bilinear(layers.Layer):
        def build(self, left_shape, right_shape):
            self.w = self.add_weight(shape=(left_shape[-1], right_shape[-1]), initializer="ones", name="w")

        def call(self, left, right=None, scale=1.0):
            return scale * ops.einsum("ni,ij,nj->n", left, self.w, right)

    layer = Bilinear()
    y = layer(X, right=X[:, :2], scale=2.0)
    np.testing.assert_allclose(y, np.full(4, 2 * 6 * 2))
    a, b = keras.Input((6,)), keras.Input((2,))
    model = keras.Model([a, b], layer(a, right=b))
    np.testing.assert_allclose(model([X, X[:, :2]]), np.full(4, 12))


def test_structures_in_and_out():
    class Split(layers.Layer):
        def call(self, inputs):
            return {"sum": inputs["a"] + inputs["b"], "parts": (inputs["a"], inputs["b"])}

    found = Split()({"a": X, "b": 2 * X})
    np.testing.assert_array_equal(found["sum"], 3 * X)
    a, b = keras.Input((6,)), keras.Input((6,))
    out = Split()({"a": a, "b": b})
    model = keras.Model({"a": a, "b": b}, out)
    result = model.predict({"a": X, "b": 2 * X}, verbose=0)
    np.testing.assert_array_equal(result["parts"][1], 2 * X)


def test_constructor_arguments_are_captured():
    class Scale(layers.Layer):
        def __init__(self, factor, offset=1.0, **kwargs):
            super().__init__(**kwargs)
            self.factor, self.offset = factor, offset

        def call(self, x):
            return x * self.factor + self.offset

    layer = Scale(3.0, name="triple", trainable=False)
    config = layer.get_config()
    assert {"factor": 3.0, "offset": 1.0, "name": "triple", "trainable": False}.items() <= config.items()
    copy = Scale.from_config(config)
    np.testing.assert_array_equal(copy(X), layer(X))
    assert copy.trainable is False
    with pytest.raises(NotImplementedError, match="get_config"):
        Scale(object()).get_config()


def test_registered_layers_come_back_by_name():
    @keras.utils.register_keras_serializable(package="Tests")
    class Twice(layers.Layer):
        def call(self, x):
            return 2 * x

    config = layers.serialize(Twice(name="t"))
    assert config["registered_name"] == "Tests>Twice"
    np.testing.assert_array_equal(layers.deserialize(config)(X), 2 * X)

    class Unknown(layers.Layer):
        def call(self, x):
            return x

    config = layers.serialize(Unknown())
    with pytest.raises(ValueError, match="unknown class or function 'Unknown'"):
        layers.deserialize(config)
    assert isinstance(layers.deserialize(config, {"Unknown": Unknown}), Unknown)


def test_automatic_names():
    keras.utils.clear_session()
    assert [layers.Dense(1).name for _ in range(2)] == ["dense", "dense_1"]
    assert layers.Conv2DTranspose(1, 1).name == "conv2d_transpose"
    assert layers.ReLU().name == "re_lu"
    assert layers.BatchNormalization().name == "batch_normalization"
    assert layers.Dense(1).name == "dense_2"


def test_the_quick_path_gives_what_the_general_one_gives():
    layer = layers.Dense(3)
    x = ops.convert_to_tensor(X)
    first = layer(x)  # general: builds
    again = layer(x)  # quick
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, layer(x, training=True))
    with pytest.raises(ValueError, match="axis -1"):
        layer(ops.ones((2, 5)))
    assert layer(ops.cast(x, "float64")).dtype == "float32"


def test_numpy_numbers_are_numbers():
    assert layers.Dense(np.int64(3)).units == 3
    assert layers.Conv2D(np.int32(2), (np.int64(3), 3)).kernel_size == (3, 3)
    assert layers.Dropout(np.float32(0.5)).rate == 0.5
    assert layers.MaxPooling2D(np.int32(2)).pool_size == (2, 2)
    for layer in (layers.Dense(np.int64(3)), layers.MaxPooling2D(np.int32(2)), layers.Dropout(np.float32(0.5))):
        json.dumps(layers.serialize(layer))


def test_the_first_call_of_a_layer_knows_of_training_too():
    """Its own default, training=False, is weaker than what the model was called with."""
    model = keras.Sequential([keras.Input((64,)), layers.Dropout(0.5)])
    for _ in range(2):
        assert (np.asarray(model(np.ones((4, 64), "float32"), training=True)) == 0).any()


def test_out_of_memory_names_the_innermost_layer_and_the_bytes():
    class Huge(layers.Layer):
        def call(self, x):
            return x + np.empty((2**45, 16), "float32")

    model = keras.Sequential([keras.Sequential([Huge(name="huge")], name="inner")], name="outer")
    message = r"Out of memory in layer 'huge' \(Huge\) asking for 2,251,799,813,685,248 bytes: Unable to"
    with pytest.raises(MemoryError, match=message):
        model(np.ones((1, 2), "float32"))
    with pytest.raises(MemoryError, match=r"Out of memory in layer 'wide' \(Dense\) asking for"):
        layers.Dense(2**50, kernel_initializer="zeros", name="wide")(np.ones((1, 2), "float32"))
