"""Recorded training: `fit`, `evaluate` and `predict` give the bits of eager ones."""

import gc
import weakref

import numpy as np
import pytest

import gpunet
from gpunet import layers, ops
from gpunet.autograd.recording import RecordedFunction, as_tensors
from gpunet.backend.rows import Rows, Table
from gpunet.layers.calling import call_state
from gpunet.testing import emulated_gpu


def convnet():
    return gpunet.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", kernel_regularizer="l2"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def two_branches():
    x = layers.Input((8, 8, 1))
    shared = layers.Dense(5, activation="tanh")
    a = shared(layers.Flatten()(x))
    b = shared(ops.reshape(layers.AveragePooling2D(1)(x), (-1, 64)))
    return gpunet.Model(x, layers.Dense(10, activation="softmax")(layers.Concatenate()([a, layers.Add()([a, b])])))


def data(n=70):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 8, 8, 1)).astype("float32"), rng.integers(0, 10, n)


def trained(build, optimizer, jit_compile, epochs=2, n=70, **fit):
    gpunet.set_random_seed(2)
    model = build()
    metrics = ["accuracy"]
    model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=metrics, jit_compile=jit_compile)
    x, y = data(n)
    history = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0, validation_data=(x[:20], y[:20]), **fit)
    scores = model.evaluate(x, y, batch_size=16, verbose=0)
    return history.history, model.get_weights(), scores, model.predict(x, batch_size=16, verbose=0), model


OPTIMIZERS = {
    "sgd": lambda: gpunet.optimizers.SGD(0.05),
    "nesterov": lambda: gpunet.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda: gpunet.optimizers.RMSprop(),
    "adam": lambda: gpunet.optimizers.Adam(weight_decay=1e-3, global_clipnorm=1.0),
    "adagrad": lambda: gpunet.optimizers.Adagrad(0.05),
    "nadam": lambda: gpunet.optimizers.Nadam(),
    "lamb": lambda: gpunet.optimizers.Lamb(),
    "adafactor": lambda: gpunet.optimizers.Adafactor(0.01),
    "scheduled": lambda: gpunet.optimizers.SGD(gpunet.optimizers.schedules.CosineDecay(0.1, 8), momentum=0.9),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("build", [convnet, two_branches])
def test_training_is_bit_identical(build, name):
    eager = trained(build, OPTIMIZERS[name], False)
    recorded = trained(build, OPTIMIZERS[name], "auto")
    assert eager[0] == recorded[0]
    assert eager[2] == recorded[2]
    for a, b in zip([*eager[1], eager[3]], [*recorded[1], recorded[3]]):
        np.testing.assert_array_equal(a, b)
    assert replayed(recorded[4], "train_step")
    assert replayed(recorded[4], "test_step")


def replayed(model, name):
    """How many signatures of a step are replayed."""
    recordings = model._stepper._functions[name]._recordings.values()
    return sum(r.program is not None for r in recordings)


@pytest.mark.slow
def test_training_is_bit_identical_on_the_emulated_gpu():
    with emulated_gpu():
        eager = trained(convnet, OPTIMIZERS["adam"], False, epochs=1, n=96)
        recorded = trained(convnet, OPTIMIZERS["adam"], "auto", epochs=1, n=96)
    assert eager[0] == recorded[0]
    for a, b in zip([*eager[1], eager[3]], [*recorded[1], recorded[3]]):
        np.testing.assert_array_equal(a, b)
    assert replayed(recorded[4], "train_step")


def test_a_changed_learning_rate_takes_effect():
    class Stop(gpunet.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.optimizer.learning_rate = 0.0
                self.before = self.model.get_weights()

    stop = Stop()
    *_, model = trained(two_branches, OPTIMIZERS["sgd"], "auto", epochs=4, callbacks=[stop])
    assert replayed(model, "train_step")
    for a, b in zip(stop.before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_a_changed_dropout_rate_takes_effect():
    x, y = data(64)
    model = gpunet.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dropout(0.5), layers.Dense(10)])
    loss = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(gpunet.optimizers.SGD(0.0), loss)
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    assert replayed(model, "train_step")
    model.layers[1].rate = 0.0
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    np.testing.assert_allclose(model.history.history["loss"][-1], model.evaluate(x, y, verbose=0), rtol=1e-5)


def test_frozen_layers_stay_as_they_are():
    *_, model = trained(two_branches, OPTIMIZERS["adam"], "auto")
    model.layers[-1].trainable = False
    before = model.layers[-1].get_weights()
    x, y = data()
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    for a, b in zip(before, model.layers[-1].get_weights()):
        np.testing.assert_array_equal(a, b)


def test_wrong_labels_are_noticed_by_replays_too():
    *_, model = trained(two_branches, OPTIMIZERS["adam"], "auto")
    x, y = data(16)
    assert replayed(model, "train_step")
    with pytest.raises(ValueError, match="labels must be integers from 0 to 9"):
        model.train_on_batch(x, np.where(y == y[0], 10, y))


def test_users_code_is_recorded_only_where_asked():
    class Noisy(layers.Layer):
        calls = 0

        def call(self, x):
            Noisy.calls += 1
            return x * 2.0

    x, y = data(64)
    for jit_compile, expected in (("auto", 8), (True, 3), (False, 8)):
        model = gpunet.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), Noisy(), layers.Dense(10)])
        loss = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, jit_compile=jit_compile)
        Noisy.calls = 0
        model.fit(x, y, batch_size=16, epochs=2, verbose=0)
        assert Noisy.calls == expected


def test_a_users_schedule_is_left_to_python():
    class Mine(gpunet.optimizers.schedules.LearningRateSchedule):
        calls = 0

        def __call__(self, step):
            Mine.calls += 1
            return 0.1 / (1.0 + ops.cast(step, "float32"))

    x, y = data(64)
    for learning_rate in (Mine(), lambda: 0.1):
        model = two_branches()
        model.compile(gpunet.optimizers.SGD(learning_rate), "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=16, epochs=2, verbose=0)
        assert not hasattr(model._stepper._functions["train_step"], "_recordings")
    assert Mine.calls == 8


@pytest.mark.parametrize("part", ["loss", "metric", "activation", "activation object", "regularizer", "train_step"])
def test_auto_leaves_a_users_functions_to_python(part):
    calls = []

    def mine(*args):
        calls.append(part)
        return ops.mean(ops.square(args[0] - args[-1]), axis=-1) if len(args) > 1 else args[0] * 1.0

    class Model(gpunet.Sequential):
        def train_step(self, data):
            calls.append(part)
            return super().train_step(data)

    class Mine:
        def __call__(self, x):
            return mine(x)

    kind = Model if part == "train_step" else gpunet.Sequential
    dense = layers.Dense(
        1,
        activation={"activation": mine, "activation object": Mine()}.get(part),
        kernel_regularizer=(lambda w: ops.sum(mine(w))) if part == "regularizer" else None,
    )
    model = kind([layers.Input((8, 8, 1)), layers.Flatten(), dense])
    model.compile("sgd", mine if part == "loss" else "mse", metrics=[mine] if part == "metric" else None)
    x, _ = data(64)
    calls.clear()
    model.fit(x, x[:, 0, 0], batch_size=16, epochs=2, verbose=0)
    assert len(calls) >= 8


def test_steps_per_execution_calls_the_hooks_less_often():
    class Count(gpunet.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_train_batch_end(self, batch, logs=None):
            self.seen.append((batch, logs["loss"] > 0))

    x, y = data(80)
    model = two_branches()
    count = Count()
    model.compile("sgd", "sparse_categorical_crossentropy", steps_per_execution=2)
    model.fit(x, y, batch_size=16, verbose=0, callbacks=[count])
    assert count.seen == [(1, True), (3, True), (4, True)]
    with pytest.raises(ValueError, match="steps_per_execution"):
        model.compile("sgd", "mse", steps_per_execution=0)
    with pytest.raises(ValueError, match="jit_compile"):
        model.compile("sgd", "mse", jit_compile="always")


def test_gradients_are_made_where_the_optimizer_reads_them():
    """No copy into the arena is left in a step whose gradients go nowhere else."""
    for options in ({}, {"global_clipnorm": 1.0}, {"loss_scale_factor": 2.0}):
        model = gpunet.Sequential([layers.Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(1)])
        model.compile(gpunet.optimizers.SGD(0.1, **options), "mse")
        x = np.ones((8, 4), "float32")
        for _ in range(4):
            model.train_on_batch(x, x[:, :1])
        (recording,) = model._stepper._functions["train_step"]._recordings.values()
        gathers = [call for call in recording.program.calls if call.primitive.name == "gather"]
        assert len(gathers) == 1
        assert gathers[0].operands[1].members == ()


def test_a_gradient_that_is_read_after_the_update_is_copied_into_the_arena():
    v = gpunet.Variable(np.ones(4, "float32"))
    optimizer = gpunet.optimizers.SGD(0.5)

    def step(x):
        with gpunet.GradientTape() as tape:
            loss = ops.sum(ops.square(v * x))
        gradient = tape.gradient(loss, v)
        optimizer.apply([gradient], [v])
        return gradient * 2

    recorded, x = gpunet.function(step), np.arange(4, dtype="float32") / 4
    got = [recorded(x).numpy() for _ in range(6)]
    v.assign(np.ones(4, "float32"))
    for found in got:
        np.testing.assert_array_equal(found, step(x))


def test_training_keeps_no_data_alive():
    model = gpunet.Sequential([layers.Input((4,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y = np.ones((64, 4), "float32"), np.zeros((64, 2), "float32")
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    kept = weakref.ref(x)
    del x
    gc.collect()
    assert kept() is None


def test_rows_follow_what_surrounds_a_call():
    table = Table(np.arange(12, dtype="float32").reshape(6, 2))

    def total(data):
        return ops.sum(as_tensors(data)) * (2 if call_state.training else 1)

    recorded = RecordedFunction(total)
    for training, factor in ((False, 1), (True, 2), (False, 1), (True, 2)):
        call_state.training = training
        try:
            found = [float(recorded(Rows(table, np.array(where)))) for where in ([0, 1], [2, 3], [4, 5], [5, 0])]
        finally:
            call_state.training = None
        assert found == [factor * n for n in (6, 22, 38, 22)]
    assert len(recorded._recordings) == 2
    assert all(recording.ready for recording in recorded._recordings.values())
