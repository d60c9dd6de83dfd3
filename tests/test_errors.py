"""What goes wrong is said clearly: what was expected, and what was received."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, losses, ops, optimizers
from gpunet.testing import emulated_gpu

X = np.zeros((6, 4), "float32")
Y = np.zeros(6, "int64")


def classifier(loss="sparse_categorical_crossentropy", **arguments):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss, **arguments)
    return model


def fit(x=X, y=Y, loss="sparse_categorical_crossentropy", **arguments):
    return classifier(loss).fit(x, y, **{"verbose": 0, **arguments})


def twice(layer, first, second):
    layer(np.zeros(first))
    return layer(np.zeros(second))


def two_inputs():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    return keras.Model([a, b], layers.Add()([a, b]))


def without_super():
    class Forgetful(layers.Layer):
        def __init__(self):
            self.units = 3

    return Forgetful()(X)


# (what goes wrong, the call, parts of the message)
CASES = [
    ("rank of images", lambda: layers.Conv2D(3, 3)(np.zeros((28, 28))), ["expected ndim=4", "(28, 28)"]),
    ("rank of vectors", lambda: layers.Dense(3)(np.zeros(28)), ["expected min_ndim=2", "shape received: (28,)"]),
    (
        "rank in a model",
        lambda: classifier()(np.zeros((2, 3, 4))),
        ["shape (None, 4)", "shape (2, 3, 4)"],
    ),
    ("width in a model", lambda: fit(np.zeros((6, 5))), ["expected axis -1", "value 4", "shape (6, 5)"]),
    ("other width", lambda: twice(layers.Dense(3), (2, 3), (2, 4)), ["axis -1", "value 3", "(2, 4)"]),
    ("other channels", lambda: twice(layers.Conv2D(3, 3), (1, 8, 8, 3), (1, 8, 8, 4)), ["value 3", "(1, 8, 8, 4)"]),
    ("unknown width", lambda: layers.Dense(3)(keras.Input((None,))), ["last axis", "(None, None)"]),
    ("large window", lambda: layers.Conv2D(3, 5)(np.zeros((1, 4, 9, 1))), ["window (5, 5)", "shape=(1, 4, 9, 1)"]),
    ("large dilated window", lambda: layers.Conv2D(3, 3, dilation_rate=4)(keras.Input((8, 8, 1))), ["window (9, 9)"]),
    ("large pool", lambda: layers.MaxPooling2D(5)(np.zeros((1, 3, 3, 1))), ["window (5, 5)", "shape=(1, 3, 3, 1)"]),
    ("axis of batch norm", lambda: layers.BatchNormalization(axis=5)(X), ["axis 5", "shape=(6, 4)"]),
    ("axis of softmax", lambda: layers.Softmax(axis=4)(X), ["[-2, 2)", "axis=4"]),
    ("reshape", lambda: layers.Reshape((5,))(keras.Input((6,))), ["6 elements", "target_shape=(5,)", "(None, 6)"]),
    ("merge", lambda: layers.Add()([np.zeros((2, 3)), np.zeros((2, 4))]), ["Add", "(2, 3), (2, 4)"]),
    ("merge of one", lambda: layers.Add()(X), ["list of inputs", "(6, 4)"]),
    ("concatenate", lambda: layers.Concatenate()([np.zeros((2, 3, 4)), np.zeros((2, 2, 4))]), ["(2, 3, 4), (2, 2, 4)"]),
    ("concatenate one", lambda: layers.Concatenate()(X), ["list", "(6, 4)"]),
    ("not a tensor", lambda: layers.Dense(3)("abc"), ["input tensors", "abc"]),
    ("strings", lambda: fit(np.full((6, 4), "a")), ["real numbers", "<U1"]),
    ("objects", lambda: fit(np.full((6, 4), None)), ["real numbers", "object"]),
    ("complex", lambda: fit(X.astype(complex)), ["real numbers", "complex128"]),
    ("lengths of x and y", lambda: fit(X, Y[:5]), ["x sizes: 6; y sizes: 5"]),
    ("length of weights", lambda: fit(sample_weight=np.ones(4)), ["sample_weight sizes: 4"]),
    ("lengths of two inputs", lambda: two_inputs().predict([X[:, :2], X[:4, :2]], verbose=0), ["x sizes: 6, 4"]),
    ("length of validation data", lambda: fit(validation_data=(X, Y[:3])), ["x sizes: 6; y sizes: 3"]),
    ("label too large", lambda: fit(y=Y + 3), ["labels", "0 to 2", "a label 3"]),
    ("label negative", lambda: fit(y=Y - 1), ["labels", "0 to 2", "a label -1"]),
    ("labels for one-hot", lambda: fit(loss="categorical_crossentropy"), ["target.shape=(6,)", "output.shape=(6, 3)"]),
    ("targets of another width", lambda: fit(X, X[:, :2], "mse"), ["y_true.shape=(6, 2)", "y_pred.shape=(6, 3)"]),
    ("empty data", lambda: fit(X[:0], Y[:0]), ["at least one sample", "empty"]),
    ("empty prediction", lambda: classifier().predict(X[:0], verbose=0), ["at least one sample", "empty"]),
    ("empty generator", lambda: fit(iter([]), None), ["at least one batch"]),
    ("no targets", lambda: fit(X, None), ["no targets"]),
    ("targets beside a generator", lambda: fit(iter([(X, Y)]), Y), ["`y` cannot be given"]),
    ("batch size", lambda: fit(batch_size=0), ["batch_size", "positive integer", "batch_size=0"]),
    ("fractional batch size", lambda: fit(batch_size=2.5), ["batch_size", "batch_size=2.5"]),
    ("epochs", lambda: fit(epochs="3"), ["epochs", "epochs='3'"]),
    ("verbose", lambda: fit(verbose="loud"), ["verbose", "'auto', 0, 1 or 2", "'loud'"]),
    ("validation split", lambda: fit(validation_split=1.5), ["validation_split=1.5"]),
    ("split of a generator", lambda: fit(iter([(X, Y)]), None, validation_split=0.5), ["only supported for arrays"]),
    ("class weights", lambda: fit(class_weight=[1, 2]), ["one array of labels", "[1, 2]"]),
    ("both weights", lambda: fit(class_weight={0: 1.0}, sample_weight=np.ones(6)), ["class_weight", "sample_weight"]),
    ("not compiled", lambda: keras.Sequential([layers.Dense(1)]).fit(X, Y), ["compile()", "fit()"]),
    ("no loss", lambda: fit(loss=None), ["No loss", "compile()"]),
    ("loss name", lambda: classifier("msee"), ["loss", "MeanSquaredError", "'msee'"]),
    ("loss weights", lambda: classifier(loss_weights=["a"]), ["loss_weights", "numbers", "['a']"]),
    ("loss of no output", lambda: fit(loss={"zz": "mse"}), ["`loss`", "'zz'"]),
    ("optimizer name", lambda: optimizers.get("adamm"), ["optimizer", "Adam", "'adamm'"]),
    ("optimizer type", lambda: optimizers.get(3), ["optimizer", "Received: 3"]),
    ("metric name", lambda: classifier(metrics=["accuraccy"]), ["metric", "'accuraccy'"]),
    ("metrics not in a list", lambda: classifier(metrics="accuracy"), ["list, tuple or dict", "'accuracy'"]),
    ("activation name", lambda: layers.Dense(1, activation="reluu"), ["activation", "relu", "'reluu'"]),
    ("initializer name", lambda: layers.Dense(1, kernel_initializer="gloroot"), ["initializer", "'gloroot'"]),
    ("regularizer name", lambda: layers.Dense(1, kernel_regularizer="l3"), ["regularizer", "'l3'"]),
    ("constraint name", lambda: layers.Dense(1, kernel_constraint="max"), ["constraint", "'max'"]),
    ("dtype", lambda: layers.Dense(1, dtype="float33"), ["float32", "'float33'"]),
    ("units", lambda: layers.Dense(0), ["units", "positive integer", "units=0"]),
    ("filters", lambda: layers.Conv2D(-1, 3), ["filters", "filters=-1"]),
    ("kernel size", lambda: layers.Conv2D(1, (3, 3, 3)), ["kernel_size", "2 integers", "(3, 3, 3)"]),
    ("padding", lambda: layers.Conv2D(1, 3, padding="sam"), ["('valid', 'same')", "'sam'"]),
    ("data format", lambda: layers.MaxPooling2D(data_format="nchw"), ["channels_last", "'nchw'"]),
    ("groups", lambda: layers.Conv2D(3, 3, groups=2), ["groups=2", "filters=3"]),
    ("groups of inputs", lambda: layers.Conv2D(4, 3, groups=2)(np.zeros((1, 5, 5, 3))), ["groups=2", "3 channels"]),
    ("output padding", lambda: layers.Conv2DTranspose(1, 3, strides=2, output_padding=2), ["(2, 2)"]),
    ("rate", lambda: layers.Dropout(1.5), ["rate", "between 0 and 1", "1.5"]),
    ("interpolation", lambda: layers.UpSampling2D(interpolation="cubic"), ["'nearest'", "interpolation=cubic"]),
    ("negative slope", lambda: layers.ReLU(negative_slope=-1), ["negative_slope=-1"]),
    ("unknown argument", lambda: layers.Dense(3, unit=4), ["Dense", "unit"]),
    ("layer name", lambda: layers.Dense(3, name="a/b"), ["name", "'a/b'"]),
    ("input shape", lambda: keras.Input(5), ["tuple", "shape=5"]),
    ("no input shape", lambda: keras.Input(), ["`shape`"]),
    ("arrays in Model()", lambda: keras.Model(X, X), ["KerasTensors", "ndarray"]),
    ("not connected", lambda: keras.Model(keras.Input((3,)), layers.Dense(2)(keras.Input((3,)))), ["not connected"]),
    ("missing input", lambda: two_inputs().predict({"a": X[:, :2]}, verbose=0), ["'b'", "['a']"]),
    ("number of inputs", lambda: two_inputs().predict(X[:, :2], verbose=0), ["2 named input(s)", "1 input"]),
    ("number of weights", lambda: classifier().set_weights([X]), ["length 1", "2 weights"]),
    ("shape of weights", lambda: classifier().set_weights([X, X]), ["(4, 3)", "(6, 4)", "kernel"]),
    ("layer by name", lambda: classifier().get_layer("zz"), ["zz", "dense"]),
    ("parameters of an unbuilt layer", lambda: layers.Dense(3).count_params(), ["isn't built"]),
    (
        "names in Sequential",
        lambda: keras.Sequential([layers.ReLU(name="a"), layers.ReLU(name="a")]),
        ["unique", "'a'"],
    ),
    ("empty Sequential", lambda: keras.Sequential().build((None, 2)), ["no layers"]),
    ("learning rate", lambda: optimizers.SGD("a"), ["learning_rate", "number", "'a'"]),
    ("momentum", lambda: optimizers.SGD(momentum=2), ["momentum", "[0, 1]", "momentum=2"]),
    ("two clips", lambda: optimizers.Adam(clipnorm=1, clipvalue=1), ["Only one", "clipnorm"]),
    ("negative clip", lambda: optimizers.Adam(clipnorm=-1), ["clipnorm", "positive"]),
    ("ema", lambda: optimizers.Adam(use_ema=True, ema_momentum=2), ["ema_momentum", "[0, 1]"]),
    (
        "accumulation",
        lambda: optimizers.Adam(gradient_accumulation_steps=1),
        ["accumulation_steps", "above 1"],
    ),
    ("reduction", lambda: losses.MeanSquaredError(reduction="avg"), ["reduction", "reduction=avg"]),
    (
        "weight shape",
        lambda: losses.MeanSquaredError()(X, X, sample_weight=np.ones(5)),
        ["weight", "(5,)", "(6,)"],
    ),
    ("callback hook", lambda: keras.callbacks.LambdaCallback(on_epoch=print), ["on_epoch"]),
]


@pytest.mark.parametrize(("call", "parts"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_message(call, parts):
    with pytest.raises(ValueError) as caught:
        call()
    missing = [part for part in parts if part not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"


def test_wrong_types():
    with pytest.raises(ValueError, match=r"Layer.*Received: 3"):
        keras.Sequential([3])
    with pytest.raises(TypeError, match=r"Callback objects. Received: 'early'"):
        fit(callbacks=["early"])
    with pytest.raises(TypeError, match="arrays or an iterable of batches. Received: NoneType"):
        fit(None, None)
    with pytest.raises(RuntimeError, match="super"):
        without_super()
    with pytest.raises(NotImplementedError, match="call"):
        layers.Layer()(X)


def test_nothing_changes_before_an_error():
    model = classifier()
    before = model.get_weights()
    with pytest.raises(ValueError, match="weight shape"):
        model.set_weights([np.ones((4, 3)), np.ones(4)])
    with pytest.raises(ValueError, match="labels must be"):
        model.fit(X, Y + 7, verbose=0)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)
    assert int(model.optimizer.iterations) == 0


def test_mixed_devices():
    on_host = ops.convert_to_tensor(X)
    with emulated_gpu() as gpu:
        dense = layers.Dense(3)
        assert dense(X).device == gpu  # a plain array goes where the weights are
        with pytest.raises(ValueError, match=r"different devices.*cpu.*gpu:0"):
            dense(on_host)
        with pytest.raises(ValueError, match=r"NumPy and gpu:0 arrays meet"):
            ops.add(X, ops.to_device(X, gpu))


def test_nan_loss_goes_on_unless_a_callback_stops_it():
    x = X.copy()
    x[3] = np.nan
    model = classifier()
    history = model.fit(x, Y, batch_size=1, epochs=2, shuffle=False, verbose=0)
    assert len(history.history["loss"]) == 2
    assert np.isnan(history.history["loss"]).all()
    model = classifier()
    model.fit(x, Y, batch_size=1, epochs=2, shuffle=False, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert int(model.optimizer.iterations) == 4


def test_a_batch_larger_than_the_data_has_all_of_it():
    found = fit(batch_size=100)
    assert found.params["steps"] == 1
    assert np.isfinite(found.history["loss"]).all()
