"""compile, fit, evaluate and predict behave as Keras's."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, losses, metrics, ops

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)).astype("float32")
Y = RNG.normal(size=(20, 2)).astype("float32")
LABELS = RNG.integers(0, 2, 20)


def linear(seed=0, **arguments):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **arguments})
    return model


def order_of_calls():
    """A callback that notes every call, and its notes."""
    calls = []
    hooks = [n for n in vars(keras.callbacks.Callback) if n.startswith("on_") and not n.startswith("on_batch")]
    noting = {hook: lambda *args, hook=hook, **kwargs: calls.append(hook.removeprefix("on_")) for hook in hooks}
    return keras.callbacks.LambdaCallback(**noting), calls


def test_callbacks_are_called_in_keras_order():
    order, calls = order_of_calls()
    linear().fit(X, Y, batch_size=10, epochs=1, validation_data=(X, Y), verbose=0, callbacks=[order])
    step = ["train_batch_begin", "train_batch_end"] * 2
    test = ["test_begin", *["test_batch_begin", "test_batch_end"] * 2, "test_end"]
    assert calls == ["train_begin", "epoch_begin", *step, *test, "epoch_end", "train_end"]
    calls.clear()
    linear().predict(X, batch_size=10, verbose=0, callbacks=[order])
    assert calls == ["predict_begin", *["predict_batch_begin", "predict_batch_end"] * 2, "predict_end"]


def test_the_loss_of_an_epoch_is_the_mean_over_samples():
    model = linear(optimizer=keras.optimizers.SGD(0.0), metrics=["mae"])
    expected = ((model.predict(X, verbose=0) - Y) ** 2).mean()
    history = model.fit(X, Y, batch_size=7, verbose=0)  # 7, 7 and 6
    np.testing.assert_allclose(history.history["loss"], [expected], rtol=1e-5)
    loss, mae = model.evaluate(X, Y, batch_size=13, verbose=0)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(mae, np.abs(model.predict(X, verbose=0) - Y).mean(), rtol=1e-5)


def test_metrics_start_again_every_epoch_and_evaluation():
    seen = []

    class Counter(metrics.Metric):
        def __init__(self):
            super().__init__(name="counter")
            self.count = self.add_variable((), "zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.count.assign_add(float(y_pred.shape[0]))

        def result(self):
            return self.count.value

    model = linear(metrics=[Counter()])
    keep = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["counter"]))
    history = model.fit(X, Y, batch_size=8, epochs=2, validation_data=(X[:5], Y[:5]), verbose=0, callbacks=[keep])
    assert seen == [8, 16, 20] * 2
    assert history.history["counter"] == [20, 20]
    assert history.history["val_counter"] == [5, 5]


def test_shuffling_is_repeatable_and_complete():
    def batches(seed, **arguments):
        seen = []

        class Spy(keras.Model):
            def train_step(self, data):
                seen.append(data[0].numpy()[:, 0].tolist())
                return {"loss": 0.0}

        keras.utils.set_random_seed(seed)
        model = Spy()
        model.compile("sgd", "mse")
        x = np.arange(10.0)[:, None]
        model.fit(x, x, batch_size=4, epochs=2, verbose=0, **arguments)
        return seen

    straight = batches(0, shuffle=False)
    assert straight == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] * 2
    shuffled = batches(0)
    assert shuffled == batches(0)
    assert shuffled != batches(1)
    assert shuffled[:3] != shuffled[3:]
    for epoch in (shuffled[:3], shuffled[3:]):
        assert sorted(x for batch in epoch for x in batch) == list(range(10))
    by_batch = batches(0, shuffle="batch")
    assert sorted(by_batch[:3]) == sorted(straight[:3])


def test_validation_split_takes_the_last_samples():
    model = linear(optimizer=keras.optimizers.SGD(0.0))
    history = model.fit(X, Y, validation_split=0.25, verbose=0)
    error = (model.predict(X, verbose=0) - Y) ** 2
    np.testing.assert_allclose(history.history["loss"], [error[:15].mean()], rtol=1e-5)
    np.testing.assert_allclose(history.history["val_loss"], [error[15:].mean()], rtol=1e-5)


def test_validation_frequency_and_initial_epoch():
    history = linear().fit(X, Y, epochs=6, initial_epoch=1, validation_data=(X, Y), validation_freq=2, verbose=0)
    assert history.epoch == [1, 2, 3, 4, 5]
    assert len(history.history["loss"]) == 5
    assert len(history.history["val_loss"]) == 3


def test_steps_per_epoch_goes_on_where_it_stopped():
    seen = []

    class Spy(keras.Model):
        def train_step(self, data):
            seen.append(float(data[0][0, 0]))
            return {"loss": 0.0}

    model = Spy()
    model.compile("sgd", "mse")
    x = np.arange(5.0)[:, None]
    model.fit(x, x, batch_size=1, steps_per_epoch=2, epochs=3, shuffle=False, verbose=0)
    assert seen == [0, 1, 2, 3, 4, 0]
    seen.clear()

    def generator():
        yield from ((x[i : i + 1], x[i : i + 1]) for i in range(5))

    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(generator(), steps_per_epoch=3, epochs=4, verbose=0)
    assert seen == [0, 1, 2, 3, 4]
    assert len(history.epoch) == 2


def test_generators_may_end_between_epochs():
    def generator(batches):
        yield from ((X[:2], Y[:2]) for _ in range(batches))

    model = linear()
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(generator(3), steps_per_epoch=3, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 1
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(X, Y, epochs=3, validation_data=generator(4), validation_steps=2, verbose=0)
    assert [len(values) for values in history.history.values()] == [3, 2]
    for empty in ({"x": generator(0)}, {"x": X, "y": Y, "validation_data": generator(0)}):
        with pytest.raises(ValueError, match="at least one batch"):
            model.fit(**empty, verbose=0)


def test_sample_weights_weigh_the_loss_but_not_plain_metrics():
    weight = RNG.uniform(0, 2, 20).astype("float32")
    model = linear(metrics=["mse"], weighted_metrics=["mse"])
    found = model.evaluate(X, Y, sample_weight=weight, verbose=0, return_dict=True)
    error = ((model.predict(X, verbose=0) - Y) ** 2).mean(1)
    np.testing.assert_allclose(found["loss"], (weight * error).mean(), rtol=1e-5)
    np.testing.assert_allclose(found["mse"], error.mean(), rtol=1e-5)
    np.testing.assert_allclose(found["weighted_mse"], (weight * error).sum() / weight.sum(), rtol=1e-5)


def test_class_weights_of_one_hot_and_integer_labels_agree():
    found = []
    for loss, y in (
        ("sparse_categorical_crossentropy", LABELS),
        ("sparse_categorical_crossentropy", LABELS[:, None]),
        ("categorical_crossentropy", keras.utils.to_categorical(LABELS)),
    ):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), layers.Dense(2, activation="softmax")])
        model.compile("sgd", loss)
        found.append(model.fit(X, y, class_weight={1: 3.0}, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    np.testing.assert_allclose(found[0], found[2], rtol=1e-5)


@pytest.mark.parametrize("kind", ["names", "list", "labels by name", "structure of outputs"])
def test_class_weights_of_several_outputs(kind):
    inputs = keras.Input((3,))
    heads = [layers.Dense(2, name=name, kernel_initializer="ones")(inputs) for name in ("a", "b")]
    model = keras.Model(inputs, dict(zip("ab", heads)) if kind == "structure of outputs" else heads)
    weight = {0: 2.0, 1: 0.5}
    y = dict(zip("ab", (LABELS, 1 - LABELS))) if kind.endswith(("name", "outputs")) else [LABELS, 1 - LABELS]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss, weighted_metrics=["accuracy"])
    given = [None, weight] if kind == "list" else {"b": weight}
    found = model.fit(X, y, class_weight=given, batch_size=len(X), verbose=0).history
    plain = np.log(2.0)  # the two logits are the same
    weights = np.where(LABELS == 1, 2.0, 0.5)
    np.testing.assert_allclose(found["a_loss"], plain, rtol=1e-5)
    np.testing.assert_allclose(found["b_loss"], plain * weights.mean(), rtol=1e-5)
    with pytest.raises(ValueError, match="no output 'c' to weigh. Outputs: "):
        model.fit(X, y, class_weight={"c": weight}, verbose=0)
    with pytest.raises(ValueError, match="by the names of the outputs, or a list"):
        model.fit(X, y, class_weight=weight, verbose=0)


def test_accuracy_fits_itself_to_the_shapes():
    for units, y, kind in (
        (1, LABELS, metrics.BinaryAccuracy),
        (2, LABELS, metrics.SparseCategoricalAccuracy),
        (2, LABELS[:, None], metrics.SparseCategoricalAccuracy),
        (2, keras.utils.to_categorical(LABELS), metrics.CategoricalAccuracy),
    ):
        model = keras.Sequential([layers.Dense(units, activation="sigmoid")])
        model.compile("sgd", "crossentropy", metrics=["acc"])
        found = model.evaluate(X, y, verbose=0, return_dict=True)
        assert set(found) == {"acc", "loss"}
        assert type(model.metrics[1].metrics[0]) is kind
        p = model.predict(X, verbose=0)
        decided = (p[:, 0] > 0.5) if units == 1 else p.argmax(1)
        np.testing.assert_allclose(found["acc"], (decided == LABELS).mean(), rtol=1e-6)


def two_outputs():
    inputs = keras.Input((3,))
    return keras.Model(inputs, [layers.Dense(2, name="b")(inputs), layers.Dense(2, name="a")(inputs)])


def test_several_outputs():
    model = two_outputs()
    model.compile("sgd", ["mse", "mae"], loss_weights=[1.0, 10.0], metrics=[["mae"], ["mse", "mae"]])
    found = model.evaluate(X, [Y, Y], verbose=0, return_dict=True)
    assert sorted(found) == ["a_loss", "a_mae", "a_mse", "b_loss", "b_mae", "loss"]
    np.testing.assert_allclose(found["loss"], found["b_loss"] + 10 * found["a_loss"], rtol=1e-5)
    b, a = model.predict(X, verbose=0)
    np.testing.assert_allclose(found["a_mse"], ((a - Y) ** 2).mean(), rtol=1e-5)
    np.testing.assert_allclose(found["b_loss"], ((b - Y) ** 2).mean(), rtol=1e-5)
    listed = model.evaluate(X, [Y, Y], verbose=0)
    assert listed == [found[name] for name in model.metrics_names]
    assert model.metrics_names[:3] == ["loss", "b_loss", "a_loss"]
    by_name = two_outputs()
    by_name.set_weights(model.get_weights())
    by_name.compile("sgd", {"a": "mae", "b": "mse"}, loss_weights={"a": 10.0, "b": 1.0})
    named = by_name.evaluate(X, {"a": Y, "b": Y}, verbose=0, return_dict=True)
    np.testing.assert_allclose(named["loss"], found["loss"], rtol=1e-6)


def test_losses_of_named_outputs_are_listed_as_they_were_given():
    inputs = layers.Input((3,))
    model = keras.Model(inputs, {"a": layers.Dense(1)(inputs), "b": layers.Dense(1)(inputs)})
    model.compile("sgd", {"b": "mse", "a": "mae"}, metrics={"b": ["mae"], "a": ["mse"]})
    listed = model.evaluate(X, {"a": Y, "b": Y}, verbose=0)
    found = model.evaluate(X, {"a": Y, "b": Y}, verbose=0, return_dict=True)
    assert model.metrics_names == ["loss", "b_loss", "a_loss", "a_mse", "b_mae"]
    assert listed == [found[name] for name in model.metrics_names]


def test_an_output_without_a_loss_needs_no_target():
    model = two_outputs()
    model.compile("sgd", [None, "mse"])
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    changed = [(a != b).any() for a, b in zip(before, model.get_weights())]
    assert changed == [False, False, True, True]


def test_named_outputs_may_lack_a_loss_and_a_target():
    inputs = layers.Input((3,))
    model = keras.Model(inputs, {"a": layers.Dense(2)(inputs), "b": layers.Dense(2)(inputs)})
    model.compile("sgd", {"b": "mse"}, metrics={"b": ["mae"]}, weighted_metrics=["mse"])
    before = model.get_weights()
    logs = model.fit(X, {"b": Y}, sample_weight={"b": np.ones(len(X))}, verbose=0).history
    assert sorted(logs) == ["b_mae", "b_mse", "loss"]
    assert [(a != b).any() for a, b in zip(before, model.get_weights())] == [False, False, True, True]
    model.compile("sgd", {"a": "mse", "b": "mse"})
    with pytest.raises(ValueError, match="no targets `y` for output 'a'"):
        model.fit(X, {"b": Y}, verbose=0)
    model.compile("sgd", {"c": "mse"})
    with pytest.raises(KeyError, match="key 'c' does not correspond to an output"):
        model.fit(X, {"a": Y, "b": Y}, verbose=0)


def test_predict_gives_back_the_structure():
    inputs = {"u": keras.Input((3,), name="u"), "v": keras.Input((3,), name="v")}
    model = keras.Model(inputs, {"sum": inputs["u"] + inputs["v"], "both": [inputs["u"], inputs["v"]]})
    found = model.predict({"v": 2 * X, "u": X}, batch_size=6, verbose=0)
    np.testing.assert_array_equal(found["sum"], 3 * X)
    np.testing.assert_array_equal(found["both"][1], 2 * X)
    outputs = model.predict_on_batch({"v": X, "u": X})
    np.testing.assert_array_equal(outputs["both"][0], X)


def test_callbacks_get_predictions_as_the_model_gives_them():
    inputs = keras.Input((3,))
    seen = []
    callback = keras.callbacks.LambdaCallback(on_predict_batch_end=lambda batch, logs: seen.append(logs["outputs"]))
    for outputs in (inputs, [inputs, inputs], {"a": inputs, "b": inputs}):
        keras.Model(inputs, outputs).predict(X, verbose=0, callbacks=[callback])
    one, listed, named = seen
    assert one.shape == listed[1].shape == named["b"].shape == (20, 3)


def test_on_batch_methods_tell_of_their_batch_alone():
    model = linear(optimizer=keras.optimizers.SGD(0.0))
    found = [model.train_on_batch(X[:10], Y[:10]), model.train_on_batch(X[10:], Y[10:])]
    errors = ((model.predict(X, verbose=0) - Y) ** 2).mean(1)
    np.testing.assert_allclose(found, [errors[:10].mean(), errors[10:].mean()], rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(X[10:], Y[10:]), errors[10:].mean(), rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(X[:10], Y[:10]), errors[:10].mean(), rtol=1e-5)
    assert model.train_on_batch(X, Y, return_dict=True).keys() == {"loss"}


def test_own_steps_and_losses():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return ops.mean(ops.abs(y - y_pred)) + 5.0

        def test_step(self, data):
            return {"answer": 42.0}

    model = Own()
    model.compile("adam")
    assert model.fit(X, Y, verbose=0).history["loss"][0] > 5
    assert model.evaluate(X, Y, verbose=0) == 42.0
    assert model.evaluate(X, Y, verbose=0, return_dict=True) == {"answer": 42.0}


def test_the_loss_and_how_steps_run_can_be_asked_of_the_model():
    class Own(keras.Sequential):
        def train_step(self, data):
            self.eager.append(self.run_eagerly)
            x, y = data
            with keras.GradientTape() as tape:
                loss = self.loss(y, self(x, training=True))
            self.optimizer.apply_gradients(zip(tape.gradient(loss, self.trainable_weights), self.trainable_weights))
            return {"own": loss}

    model = Own([keras.Input((3,)), layers.Dense(2)])
    object.__setattr__(model, "eager", [])
    model.compile("sgd", keras.losses.mean_squared_error, jit_compile=True)
    assert (model.run_eagerly, model.jit_compile) == (False, True)
    model.fit(X, Y, batch_size=2, epochs=3, verbose=0)
    recorded = len(model.eager)
    assert recorded < 3 * len(X) // 2
    model.run_eagerly = True
    model.fit(X, Y, batch_size=2, verbose=0)
    assert model.eager[recorded:] == [True] * (len(X) // 2)
    model.run_eagerly = model.jit_compile = False
    assert model.get_compile_config()["jit_compile"] is False

    class Named(keras.Sequential):
        def loss(self):
            return "mine"

    named = Named([keras.Input((3,)), layers.Dense(2)])
    named.compile("sgd")
    assert named.loss() == "mine"


def test_moving_averages_take_the_weights_place_at_the_end():
    weights = []
    model = linear(optimizer=keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    keep = keras.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: weights.append(model.get_weights()[0]))
    model.fit(X, Y, batch_size=20, epochs=3, verbose=0, callbacks=[keep])
    average = weights[0]
    for w in weights[1:]:
        average = 0.5 * average + 0.5 * w
    np.testing.assert_allclose(model.get_weights()[0], average, rtol=1e-5)


def test_accumulated_gradients_are_those_of_the_large_batch():
    whole = linear(optimizer=keras.optimizers.Adam(0.1))
    parts = linear(optimizer=keras.optimizers.Adam(0.1, gradient_accumulation_steps=4))
    whole.fit(X, Y, batch_size=20, epochs=2, shuffle=False, verbose=0)
    parts.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(whole.get_weights(), parts.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-4)
    assert int(parts.optimizer.iterations) == 2


def test_steps_that_differ_are_not_recorded():
    model = linear(optimizer=keras.optimizers.Adam(gradient_accumulation_steps=2), jit_compile=True)
    with pytest.raises(ValueError, match="gradient_accumulation_steps"):
        model.fit(X, Y, verbose=0)


def test_nothing_is_recorded_while_evaluating():
    from gpunet.autograd.tape import state

    seen = []

    class Spy(keras.Model):
        def call(self, x):
            seen.append(state.base is not None)
            return x

    model = Spy()
    model.compile("sgd", losses.MeanSquaredError())
    model.evaluate(X, X, verbose=0)
    model.predict(X, verbose=0)
    assert seen
    assert not any(seen[1:])


def test_compile_starts_anew():
    model = linear(metrics=["mae"])
    model.fit(X, Y, verbose=0)
    model.compile("adam", "mae")
    assert model.evaluate(X, Y, verbose=0, return_dict=True).keys() == {"loss"}
    assert int(model.optimizer.iterations) == 0
