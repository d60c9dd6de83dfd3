"""`remat` and `RematScope`: the same values, gradients and state as without, in less memory."""

import gc
import logging
import tracemalloc

import numpy as np
import pytest

import gpunet
from gpunet import layers, ops
from gpunet.backend import memory
from gpunet.testing import emulated_gpu

RNG = np.random.default_rng(0)
X = np.random.default_rng(1).standard_normal((8, 6)).astype("float32")


def gradients(f, *variables):
    with gpunet.GradientTape() as tape:
        y = f()
    return [float(ops.sum(y)), *map(np.asarray, tape.gradient(y, list(variables)))]


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_gradients_of_arguments_variables_and_what_is_around():
    v = gpunet.Variable(X.T.copy())
    x, around = gpunet.Variable(X), gpunet.Variable(X * 2)

    def block(a, scale, others):
        return ops.tanh(ops.matmul(a, v)) * scale + ops.sum(others["b"] * b), ops.exp(a), 3, None

    results = []
    for f in (block, gpunet.remat(block)):
        with gpunet.GradientTape() as tape:
            b = around * 3.0
            first, _, three, none = f(ops.sin(x), 2.0, {"b": b, "c": None})
            loss = ops.sum(first * first)
        assert (three, none) == (3, None)
        results.append([loss, *tape.gradient(loss, [x, v, around])])
    same(*results)


def test_nothing_is_kept_where_nothing_records():
    f = gpunet.remat(lambda x: ops.tanh(x))
    assert isinstance(f(X), np.ndarray)
    assert f.__name__ == "<lambda>"
    same([f(gpunet.Tensor(X))], [np.tanh(X)])


@pytest.mark.parametrize("persistent", [True, False])
def test_second_derivatives_and_nested_uses(persistent):
    v = gpunet.Variable(X[0])

    def inner(x):
        return ops.sin(x) * v * v

    def outer(x, f):
        return f(f(x) * x)

    def second(outer, inner):
        x = gpunet.Variable(X[1])
        with gpunet.GradientTape() as around:
            with gpunet.GradientTape(persistent=persistent) as tape:
                y = outer(x, inner)
            first, other = tape.gradient(y, [x, v])
            if persistent:
                same(tape.gradient(y, [x, v]), [first, other])
            total = ops.sum(first * first) + ops.sum(other)
        return [first, other, *around.gradient(total, [x, v])]

    expected = second(outer, inner)
    for found in (second(gpunet.remat(outer), inner), second(gpunet.remat(outer), gpunet.remat(inner))):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)


def test_a_tape_in_the_function():
    def penalty(x):
        with gpunet.GradientTape() as tape:
            tape.watch(x)
            y = ops.sum(x * x * x)
        return ops.sum(ops.square(tape.gradient(y, x)))

    x = gpunet.Variable(X[0])
    same(gradients(lambda: gpunet.remat(penalty)(x * 1.0), x), gradients(lambda: penalty(x * 1.0), x))


def test_a_variable_that_changed_in_between_is_an_error():
    b = gpunet.Variable(X[0])
    with gpunet.GradientTape() as tape:
        y = gpunet.remat(lambda x: ops.tanh(x + b))(gpunet.Tensor(X))
    b.assign_add(X[0])
    with pytest.raises(RuntimeError, match="was assigned after the tape recorded its use"):
        tape.gradient(y, b)


def model(scope, kind="functional"):
    gpunet.utils.set_random_seed(5)
    gpunet.utils.clear_session()
    with scope:
        stack = [
            layers.Dense(16, activation="gelu", activity_regularizer="l2"),
            layers.BatchNormalization(momentum=0.5),
            layers.ReLU(),
            layers.Dropout(0.4),
            layers.Dense(6, activation="tanh", name="last"),
        ]
    if kind == "sequential":
        return gpunet.Sequential(stack)
    x = y = gpunet.Input((6,))
    for layer in stack:
        x = layer(x)
    return gpunet.Model(y, x)


NONE = {"mode": None}
MODES = [
    {},
    {"mode": "activations"},
    {"mode": "larger_than", "output_size_threshold": 100},
    {"mode": "list_of_layers", "layer_names": ["dropout", "last", "batch_normalization"]},
]


@pytest.mark.parametrize("kind", ["functional", "sequential"])
@pytest.mark.parametrize("options", MODES, ids=lambda o: o.get("mode", "full"))
@pytest.mark.parametrize("jit_compile", [True, False])
def test_models_train_alike(options, kind, jit_compile, caplog):
    """Dropout masks, moving statistics and losses too; in recorded steps without falling back."""
    models = [model(gpunet.RematScope(**o), kind) for o in (options, NONE)]
    gpunet.config.disable_fusion()
    try:
        with caplog.at_level(logging.INFO):
            for m, jit in zip(models, (jit_compile, False)):
                m.compile("adam", "mse", jit_compile=jit)
        for _ in range(5):
            found, expected = (m.train_on_batch(X, X) for m in models)
            np.testing.assert_allclose(found, expected, rtol=1e-6)
    finally:
        gpunet.config.enable_fusion()
    assert not caplog.records
    for a, b in zip(*(m.get_weights() for m in models), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("place", [lambda: gpunet.device("cpu"), emulated_gpu], ids=["cpu", "emulated"])
def test_a_replay_equals_the_eager_run(place):
    with place():
        models = [model(gpunet.RematScope()) for _ in range(2)]
        for m, jit_compile in zip(models, (True, False)):
            m.compile("sgd", "mse", jit_compile=jit_compile)
        for _ in range(5):
            assert models[0].train_on_batch(X, X) == models[1].train_on_batch(X, X)
        same(*(m.get_weights() for m in models))


def test_given_values_of_variables_are_those_of_the_second_run():
    results = []
    for mode in ("full", None):
        m = model(gpunet.RematScope(mode))
        values = [gpunet.Variable(v * 1.5 + 0.1) for v in m.trainable_variables]
        fixed = [v.value for v in m.non_trainable_variables]
        with gpunet.GradientTape() as tape:
            y, changed = m.stateless_call(values, fixed, X, training=True)
        results.append([y, *changed, *tape.gradient(y, values)])
    same(*results)


def test_losses_are_added_once():
    m = model(gpunet.RematScope())
    with gpunet.GradientTape() as tape:
        loss = ops.sum(m(X, training=True)) + sum(m.losses)
    assert len(m.losses) == 1
    assert all(g is not None for g in tape.gradient(loss, m.trainable_weights))
    assert len(m.losses) == 1


def test_mixed_precision():
    results = []
    for scope in (gpunet.RematScope(), gpunet.RematScope(None)):
        gpunet.utils.set_random_seed(5)
        with scope:
            layer = layers.Dense(4, activation="gelu", dtype="mixed_bfloat16")
        with gpunet.GradientTape() as tape:
            y = layer(X)
        results.append(tape.gradient(y, layer.trainable_weights))
    same(*results)


def kept_bytes(scope):
    """What a deep network's forward pass leaves for backward, and the peak of both, in bytes."""
    gpunet.utils.set_random_seed(5)
    with scope:
        deep = [layers.Dense(64, activation="gelu") for _ in range(8)]
    x = np.ones((4096, 64), "float32")
    for layer in deep:
        layer.build(x.shape)
    gc.collect()
    memory.trim()  # idle buffers, which nobody would see being used again
    tracemalloc.start()
    with gpunet.GradientTape() as tape:
        y = gpunet.Tensor(x)
        for layer in deep:
            y = layer(y)
        loss = ops.mean(y)
    memory.trim()
    kept = tracemalloc.get_traced_memory()[0]
    tape.gradient(loss, deep[0].trainable_weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return kept, peak


def test_less_is_kept():
    (kept, peak), (least, lower) = kept_bytes(gpunet.RematScope(None)), kept_bytes(gpunet.RematScope())
    assert least < 0.75 * kept
    assert lower < 0.95 * peak


def test_recorded_steps_need_less():
    def needed(scope):
        with scope:
            stack = [layers.Dense(64, activation="gelu") for _ in range(6)]
        m = gpunet.Sequential([gpunet.Input((64,)), *stack])
        m.compile("sgd", "mse", jit_compile=True)
        x = RNG.standard_normal((512, 64)).astype("float32")
        for _ in range(4):
            m.train_on_batch(x, x)
        (held,) = m._stepper._arena._memory.values()
        return held.nbytes

    assert needed(gpunet.RematScope()) < 0.75 * needed(gpunet.RematScope(None))


def test_unknown_modes_are_refused():
    with pytest.raises(ValueError, match="mode must be one of .* Received: mode='half'"):
        gpunet.RematScope("half")


def test_scopes_nest():
    with gpunet.RematScope("full"):
        with gpunet.RematScope(None):
            inside = layers.ReLU()
        outside = layers.ReLU()
    assert inside._remat_scope is None
    assert outside._remat_scope.mode == "full"
    assert layers.ReLU()._remat_scope is None
