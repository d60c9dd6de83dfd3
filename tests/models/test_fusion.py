"""Layers that a functional model computes together: which they are, and that nobody can tell from the results."""

import copy

import numpy as np
import pytest

import gpunet
from gpunet import config, layers, ops
from gpunet.testing import emulated_gpu
from gpunet.testing.emulation import why_not

SHAPE = (8, 8, 6)


def block(x, channels=6, strides=1, name=""):
    """A residual block; its batch normalisations, addition and ReLUs have names."""
    y = layers.Conv2D(channels, 3, strides, padding="same", use_bias=False, name=f"{name}conv")(x)
    y = layers.BatchNormalization(name=f"{name}first")(y)
    y = layers.Activation("relu", name=f"{name}relu")(y)
    y = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"{name}conv_2")(y)
    y = layers.BatchNormalization(name=f"{name}second")(y)
    y = layers.Add(name=f"{name}sum")([x, y])
    return layers.ReLU(name=f"{name}out")(y)


def residual():
    x = layers.Input(SHAPE, name="x")
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="stem")(x)
    y = layers.MaxPooling2D(name="pool")(y)
    y = block(block(y, name="a_"), name="b_")
    y = layers.GlobalAveragePooling2D(name="mean")(y)
    y = layers.ReLU(name="dense_relu")(layers.Dense(5, name="dense")(y))
    return gpunet.Model(x, layers.Dense(3, name="last")(y))


RESIDUAL = [
    ("stem", "pool"),
    ("a_first", "a_relu"),
    ("a_second", "a_sum", "a_out"),
    ("b_first", "b_relu"),
    ("b_second", "b_sum", "b_out"),
    ("dense", "dense_relu"),
]


@pytest.fixture(autouse=True)
def _fusion_stays_on():
    yield
    config.enable_fusion()


def batch(n=4, dtype="float32", shape=SHAPE):
    return np.random.default_rng(0).standard_normal((n, *shape)).astype(dtype)


def model_of(function, shape=SHAPE, **options):
    x = layers.Input(shape, **options)
    return gpunet.Model(x, function(x))


def shaken(model):
    """The model with all its weights away from their initial zeros and ones."""
    rng = np.random.default_rng(1)
    model.set_weights([w + 0.2 * np.abs(rng.standard_normal(w.shape)) for w in model.get_weights()])
    return model


def results(model, x, training):
    """Outputs, gradients of the inputs and the weights, and the weights afterwards, which are then restored."""
    before = model.get_weights()
    x = gpunet.Variable(x)
    with gpunet.GradientTape() as tape:
        outputs = gpunet.tree.flatten(model(x, training=training))
        loss = sum(ops.sum(y * ops.cast(ops.reshape(ops.arange(y.size), y.shape) % 5 - 1, y.dtype)) for y in outputs)
    gradients = tape.gradient(loss, [x, *model.trainable_weights])
    found = [np.asarray(a) for a in (*outputs, *gradients)] + model.get_weights()
    model.set_weights(before)
    return found


def both(model, x, training=True):
    """Results with and without fusion."""
    fused = results(model, x, training)
    config.disable_fusion()
    single = results(model, x, training)
    config.enable_fusion()
    return fused, single


def assert_same(model, x, tolerance=2e-5):
    for training in (True, False):
        for a, b in zip(*both(model, x, training), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * (1 + np.abs(b).max()))


def test_a_residual_network_is_fused():
    gpunet.set_random_seed(0)
    model = shaken(residual())
    assert sorted(model.fusions) == sorted(RESIDUAL)
    assert_same(model, batch())
    for layer in model.layers:
        layer.trainable = isinstance(layer, layers.Dense)  # frozen batch normalisation uses its moving statistics
    assert sorted(model.fusions) == sorted(RESIDUAL)
    assert_same(model, batch())


def test_fused_training_moves_the_statistics():
    model = model_of(lambda x: layers.ReLU()(layers.BatchNormalization(name="bn")(x)))
    x = batch() + 3
    bn = model.get_layer("bn")
    model(x, training=True)
    np.testing.assert_allclose(bn.moving_mean, 0.01 * x.mean((0, 1, 2)), rtol=1e-4)
    bn.trainable = False
    before = np.asarray(bn.moving_mean)
    model(x, training=True)
    np.testing.assert_array_equal(bn.moving_mean, before)


SPELLINGS = {
    "Activation": lambda x: layers.Activation("relu")(x),
    "ReLU": lambda x: layers.ReLU()(x),
    "ops": ops.relu,
    "activations": gpunet.activations.relu,
}


@pytest.mark.parametrize("relu", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_of_relu_and_addition(relu):
    for add in (layers.Add(), lambda terms: terms[0] + terms[1], lambda terms: ops.add(*terms)):
        model = model_of(lambda x, add=add: relu(add([layers.BatchNormalization()(x), x])))
        assert [len(f) for f in model.fusions] == [3]
        assert_same(shaken(model), batch())
    model = model_of(lambda x: relu(layers.Conv2D(3, 2)(x)))
    assert [len(f) for f in model.fusions] == [2]
    assert_same(model, batch())


def test_two_normalised_branches_are_added():
    model = model_of(
        lambda x: layers.ReLU()(
            layers.Add()([layers.BatchNormalization()(x), layers.BatchNormalization()(ops.tanh(x))])
        )
    )
    assert [len(f) for f in model.fusions] == [3]
    assert_same(shaken(model), batch())


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_channels_first(data_format):
    axis = -1 if data_format == "channels_last" else 1

    def network(x):
        y = layers.Conv2D(6, 3, padding="same", data_format=data_format, activation="relu")(x)
        y = layers.MaxPooling2D(data_format=data_format)(y)
        return layers.ReLU()(layers.Add()([y, layers.BatchNormalization(axis=axis)(y)]))

    model = model_of(network)
    assert len(model.fusions) == 2
    assert_same(model, batch())


POOLED = {
    "conv": lambda x: layers.MaxPooling2D(2)(layers.Conv2D(4, 3, activation="relu")(x)),
    "layer": lambda x: layers.MaxPooling2D(3, 2, "same")(layers.ReLU()(x)),
    "op": lambda x: layers.MaxPool2D((2, 1))(ops.relu(x)),
}


@pytest.mark.parametrize("network", POOLED.values(), ids=POOLED)
def test_max_pooling_before_relu_is_the_same_in_every_bit(network):
    model = model_of(network)
    assert len(model.fusions) == 1
    x = batch()
    x[0] = -1  # all of a window below zero
    x[1] = np.round(x[1])  # equal elements
    for fused, single in zip(*both(model, x)):
        np.testing.assert_array_equal(fused, single)


class OwnCall(layers.BatchNormalization):
    def call(self, inputs, training=None):
        return super().call(inputs, training=training) * 2


class OwnFusedCall(layers.BatchNormalization):
    def call_fused(self, inputs, training, relu, addend=None):
        return super().call_fused(inputs, training, relu, addend) * 2


class OwnRelu(layers.ReLU):
    def call(self, inputs):
        return super().call(inputs) * 2


class OwnDunderCall(layers.ReLU):
    def __call__(self, inputs):
        return super().__call__(inputs) * 2


class Doubled(layers.Add):
    merge = staticmethod(lambda a, b: 2 * (a + b))


class OwnMask(layers.ReLU):
    def compute_mask(self, inputs, previous_mask):
        return previous_mask


def with_own_call_method(x):
    layer = layers.BatchNormalization()
    y = layer(x)
    original = layer.call
    layer.call = lambda inputs, training=None, mask=None: original(inputs, training=training, mask=mask) * 2
    return layers.ReLU()(y)


def shared(x):
    bn = layers.BatchNormalization()
    return layers.ReLU()(bn(x)) + layers.ReLU()(bn(2 * x))


def read_twice(x):
    y = layers.BatchNormalization()(x)
    return layers.ReLU()(y) * y


def bn_then(relu, **options):
    return lambda x: relu(layers.BatchNormalization(**options)(x))


NOT_FUSED = {
    "read twice": read_twice,
    "an output": lambda x: [y := layers.BatchNormalization()(x), layers.ReLU()(y)],
    "a sum read twice": lambda x: [y := layers.BatchNormalization()(x) + x, ops.relu(y)],
    "own call": lambda x: layers.ReLU()(OwnCall()(x)),
    "own fused call": lambda x: layers.ReLU()(OwnFusedCall()(x)),
    "own call of an instance": with_own_call_method,
    "own relu": bn_then(OwnRelu()),
    "own __call__": bn_then(OwnDunderCall()),
    "own mask": bn_then(OwnMask()),
    "own addition": lambda x: layers.ReLU()(Doubled()([layers.BatchNormalization()(x), x])),
    "shared": shared,
    "relu6": bn_then(layers.ReLU(6)),
    "leaky": bn_then(layers.ReLU(negative_slope=0.1)),
    "threshold": bn_then(layers.ReLU(threshold=0.5)),
    "relu op with a slope": bn_then(lambda y: gpunet.activations.relu(y, negative_slope=0.1)),
    "tanh": bn_then(layers.Activation("tanh")),
    "penalty on the sum": bn_then(layers.ReLU(activity_regularizer="l2")),
    "penalty on the normalised": bn_then(layers.ReLU(), activity_regularizer="l2"),
    "mixed precision": bn_then(layers.ReLU(dtype="mixed_float16"), dtype="mixed_float16"),
    "two dtypes": bn_then(layers.ReLU(dtype="float64")),
    "training given": lambda x: layers.ReLU()(layers.BatchNormalization()(x, training=True)),
    "broadcasting": lambda x: layers.ReLU()(layers.Add()([layers.BatchNormalization()(x), x[:, :1]])),
    "three summands": lambda x: layers.ReLU()(layers.Add()([layers.BatchNormalization()(x), x, x])),
    "a difference": lambda x: layers.ReLU()(layers.Subtract()([layers.BatchNormalization()(x), x])),
    "activation": lambda x: layers.ReLU()(layers.Conv2D(3, 2, activation="tanh")(x)),
    "pooling that does not shrink": lambda x: layers.MaxPooling2D(2, 1, "same")(ops.relu(x)),
    "average pooling": lambda x: layers.AveragePooling2D()(layers.Conv2D(3, 2, activation="relu")(x)),
    "min pooling": lambda x: layers.MinPooling2D()(layers.Conv2D(3, 2, activation="relu")(x)),
    "pooling of what is read twice": lambda x: [y := layers.Conv2D(3, 2, activation="relu")(x), layers.MaxPool2D()(y)],
    "pooling with a penalty": lambda x: layers.MaxPool2D()(
        layers.Conv2D(3, 2, activation="relu", activity_regularizer="l2")(x)
    ),
}


@pytest.mark.parametrize("network", NOT_FUSED.values(), ids=NOT_FUSED)
def test_what_is_not_fused(network):
    model = model_of(network)
    assert model.fusions == []
    for fused, single in zip(*both(model, batch()), strict=True):
        np.testing.assert_array_equal(fused, single)


def test_a_changed_layer_ends_a_fusion():
    model = model_of(lambda x: layers.Activation("relu", name="a")(layers.Dense(4, name="d")(x)))
    assert model.fusions == [("d", "a")]
    model.get_layer("a").activation = gpunet.activations.tanh
    assert model.fusions == []
    x = batch()
    np.testing.assert_array_equal(model(x), ops.tanh(model.get_layer("d")(x)))
    model.get_layer("a").activation = gpunet.activations.relu
    assert model.fusions == [("d", "a")]


@pytest.mark.parametrize("layer", [layers.Dense(4, activation="relu"), layers.Conv2D(4, 1, activation="relu")])
def test_a_layer_takes_a_new_activation(layer):
    x = batch()
    before = layer(x)
    layer.activation = gpunet.activations.linear
    np.testing.assert_array_equal(ops.relu(layer(x)), before)
    assert float(ops.min(layer(x))) < 0


def test_masks_take_the_single_layers():
    inputs = layers.Input((5, 4))
    x = layers.Masking()(inputs)
    model = gpunet.Model(inputs, layers.ReLU()(layers.BatchNormalization()(x)))
    assert len(model.fusions) == 1  # whose mask only shows when it runs
    x = batch(6, shape=(5, 4))
    x[:, 3:] = 0
    fused, single = both(model, x)
    for a, b in zip(fused, single, strict=True):
        np.testing.assert_array_equal(a, b)
    assert model(x)._keras_mask is not None


def test_shapes_that_turn_out_to_differ_take_the_single_layers():
    a, b = layers.Input((None, 3)), layers.Input((None, 3))
    model = gpunet.Model([a, b], layers.ReLU()(layers.Add()([layers.BatchNormalization()(a), b])))
    assert len(model.fusions) == 1
    x = batch(shape=(4, 3))
    y = model([x, x[:, :1]])
    config.disable_fusion()
    np.testing.assert_array_equal(y, model([x, x[:, :1]]))


def test_a_model_of_the_intermediate_tensor():
    x = layers.Input(SHAPE)
    middle = layers.BatchNormalization()(x)
    model = gpunet.Model(x, layers.ReLU()(middle))
    features = gpunet.Model(x, middle)
    rest = gpunet.Model(middle, layers.ReLU()(middle))
    assert (len(model.fusions), features.fusions, rest.fusions) == (1, [], [])
    np.testing.assert_allclose(rest(features(batch())), model(batch()), rtol=1e-5, atol=1e-6)


def test_nested_and_sequential_models():
    inner = gpunet.Sequential([layers.Input(SHAPE), layers.BatchNormalization(name="bn"), layers.ReLU(name="relu")])
    assert inner.fusions == [("bn", "relu")]
    outer = model_of(lambda x: layers.Dense(2)(inner(x)))
    assert outer.fusions == []  # of its own
    assert_same(outer, batch())
    later = gpunet.Sequential([layers.BatchNormalization(), layers.ReLU()])
    assert later.fusions == []
    later(batch())
    assert len(later.fusions) == 1
    later.add(layers.MaxPooling2D())
    later(batch())
    assert [len(f) for f in later.fusions] == [2]
    assert_same(later, batch())


def test_nothing_else_of_a_model_changes():
    model = residual()
    config.disable_fusion()
    other = residual()
    assert other.fusions == []
    other.set_weights(model.get_weights())
    config.enable_fusion()
    assert [w.path for w in model.weights] == [w.path for w in other.weights]
    assert [layer.name for layer in model.layers] == [layer.name for layer in other.layers]
    for again in (copy.deepcopy(model), gpunet.models.clone_model(model), gpunet.Model.from_config(model.get_config())):
        again.set_weights(model.get_weights())
        assert sorted(again.fusions) == sorted(RESIDUAL)
        np.testing.assert_array_equal(again(batch()), model(batch()))


def test_second_derivatives_of_a_fused_model():
    with_float64 = {"dtype": "float64"}

    def network(x):
        y = layers.BatchNormalization(**with_float64)(x)
        y = layers.Activation("relu", **with_float64)(layers.Add(**with_float64)([y, ops.tanh(x)]))
        y = layers.Conv2D(4, 3, activation="relu", **with_float64)(y)
        return layers.MaxPooling2D(**with_float64)(y)

    model = model_of(network, **with_float64)
    assert sorted(map(len, model.fusions)) == [2, 3]

    def norm_of_gradient(training):
        x = gpunet.Variable(batch(2, "float64"))
        with gpunet.GradientTape() as outer:
            with gpunet.GradientTape() as inner:
                loss = ops.sum(ops.square(model(x, training=training)))
            weights = model.trainable_weights
            norm = sum(ops.sum(ops.square(g)) for g in inner.gradient(loss, [x, *weights]))
        return [np.asarray(g) for g in outer.gradient(norm, [x, *weights]) if g is not None]

    for training in (True, False):
        fused = norm_of_gradient(training)
        config.disable_fusion()
        single = norm_of_gradient(training)
        config.enable_fusion()
        for a, b in zip(fused, single, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())


def trained(jit_compile, channels=4, side=8, n=4):
    """Weights, losses and predictions of a residual network trained for some steps."""
    gpunet.set_random_seed(3)
    x = layers.Input((side, side, 1))
    y = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
    y = block(layers.MaxPooling2D()(y), channels)
    model = gpunet.Model(x, layers.Dense(10)(layers.GlobalAveragePooling2D()(y)))
    assert len(model.fusions) == 3
    loss = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=jit_compile)
    data = batch(6 * n, shape=(side, side, 1))
    history = model.fit(data, np.arange(6 * n) % 10, batch_size=n, verbose=0)
    assert jit_compile is False or any(r.program for r in model._stepper._functions["train_step"]._recordings.values())
    return [*model.get_weights(), np.asarray(history.history["loss"]), model.predict(data, batch_size=n, verbose=0)]


@pytest.mark.parametrize("providers", [("numpy",), ("numba", "numpy"), ("onednn", "numba", "numpy")], ids="+".join)
def test_recorded_equals_eager(providers):
    config.set_cpu_providers(providers)
    try:
        size = {"channels": 16, "side": 48, "n": 16}  # enough for compiled loops
        for eager, recorded in zip(trained(False, **size), trained(True, **size), strict=True):
            np.testing.assert_array_equal(eager, recorded)
    finally:
        config.set_cpu_providers(None)


@pytest.mark.slow
def test_recorded_equals_eager_on_the_emulated_gpu():
    with emulated_gpu() as gpu:
        for eager, recorded in zip(trained(False), trained(True), strict=True):
            np.testing.assert_array_equal(eager, recorded)
        assert gpu.launches["batch_norm_finish"] == gpu.launches["batch_norm_grad_apply"] > 0
        assert gpu.launches["batch_norm_moments"] == 0  # the convolutions left the sums
        assert gpu.launches["map_relu"] == gpu.launches["max_pool"]  # only the ReLU after the pooling is alone


def convolved(x, **options):
    return layers.BatchNormalization(**options)(layers.Conv2D(4, 3, padding="same")(ops.tanh(x)))


class OwnConvolution(layers.Conv2D):
    def call(self, inputs):
        return super().call(inputs) * 2


def read_twice_before_normalisation(x):
    y = layers.Conv2D(4, 3)(x)
    return ops.mean(layers.BatchNormalization()(y)) + ops.sum(y)


JOINED = {
    "alone": lambda x: layers.Activation("gelu")(convolved(x)),
    "relu": lambda x: layers.ReLU()(convolved(x)),
    "addition and relu": lambda x: layers.ReLU()(layers.Add()([convolved(x), layers.Conv2D(4, 1)(x)])),
    "axis counted from the front": lambda x: convolved(x, axis=3),
}
NOT_JOINED = {
    "own call": lambda x: layers.BatchNormalization()(OwnConvolution(4, 3)(x)),
    "read twice": read_twice_before_normalisation,
    "activation": lambda x: layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(x)),
    "other axis": lambda x: convolved(x, axis=1),
    "channels first": lambda x: layers.BatchNormalization(axis=1)(layers.Conv2D(4, 3, data_format="channels_first")(x)),
    "penalty": lambda x: layers.BatchNormalization()(layers.Conv2D(4, 3, activity_regularizer="l2")(x)),
    "frozen": lambda x: convolved(x, trainable=False),
    "training given": lambda x: layers.BatchNormalization()(layers.Conv2D(4, 3)(x), training=True),
    "another layer": lambda x: layers.BatchNormalization()(layers.Conv2DTranspose(4, 3)(x)),
}


@pytest.fixture
def gpu():
    if why_not():
        pytest.skip(why_not())
    with emulated_gpu() as device:
        yield device


@pytest.mark.parametrize("network", JOINED.values(), ids=JOINED)
def test_a_gpu_convolves_and_finds_the_statistics_at_once(gpu, network):
    model = shaken(model_of(network))
    for training in (True, False):
        gpu.forget()
        fused = results(model, batch(), training)
        assert gpu.launches["batch_norm_moments"] == 0
        assert gpu.launches["batch_norm_finish"] == training
        config.disable_fusion()
        single = results(model, batch(), training)
        config.enable_fusion()
        assert gpu.launches["batch_norm_moments"] == training
        for a, b in zip(fused, single, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * (1 + np.abs(b).max()))


@pytest.mark.parametrize("network", NOT_JOINED.values(), ids=NOT_JOINED)
def test_convolutions_that_do_not_find_statistics(gpu, network):
    model = shaken(model_of(network))
    gpu.forget()
    fused = results(model, batch(), True)
    assert gpu.launches["batch_norm_moments"] == gpu.launches["batch_norm_finish"]
    config.disable_fusion()
    for a, b in zip(fused, results(model, batch(), True), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_cpu_convolves_and_normalises_one_after_the_other():
    """Whose fused loops of batch normalisation read what is still in the cache."""
    for network in JOINED.values():
        model = model_of(network)
        with gpunet.GradientTape():
            y = model(batch(), training=True)
        config.disable_fusion()
        with gpunet.GradientTape():
            np.testing.assert_allclose(y, model(batch(), training=True), rtol=1e-4, atol=1e-4)
        config.enable_fusion()


def test_recalibration_sees_the_inputs_behind_a_convolution(gpu):
    model = model_of(lambda x: layers.ReLU()(convolved(x, name="bn")))
    seen = []
    model.get_layer("bn")._observer = lambda layer, inputs, mask: seen.append(inputs.shape)
    model(batch(), training=True)
    assert seen == [(4, 8, 8, 4)]


def test_switching_it_off_ends_a_recording():
    model = shaken(residual())
    forward = gpunet.function(lambda x: model(x, training=False))
    x = batch()
    fused = [np.asarray(forward(x)) for _ in range(4)]
    config.disable_fusion()
    assert not config.is_fusion_enabled()
    single = [np.asarray(forward(x)) for _ in range(4)]
    np.testing.assert_array_equal(single[3], model(x, training=False))
    np.testing.assert_array_equal(fused[0], fused[3])
    np.testing.assert_allclose(fused[0], single[0], rtol=1e-4, atol=1e-5)
