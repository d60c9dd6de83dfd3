"""What holds for every layer: symbolic shapes, configurations, weights, devices, dtypes."""

import json

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, ops
from gpunet.testing import emulated_gpu

from .table import IMAGE, ON_HOST, SEVERAL, STEPS, TABLE, Indices, call

each = pytest.mark.parametrize(("name", "arguments", "shapes"), TABLE, ids=[f"{i}-{c[0]}" for i, c in enumerate(TABLE)])


def make(name, arguments):
    inner = {k: v for k, v in arguments.items() if k == "dtype"}
    return getattr(layers, name)(**{k: v(**inner) if callable(v) else v for k, v in arguments.items()})


def batch(shapes, n=2, seed=0):
    rng = np.random.default_rng(seed)
    arrays = [
        rng.integers(0, 7, (n, *shape)).astype("int32")
        if isinstance(shape, Indices)
        else rng.standard_normal((n, *shape)).astype("float32")
        for shape in shapes
    ]
    return arrays if len(arrays) > 1 else arrays[0]


def symbols(shapes):
    inputs = [keras.Input(shape, dtype="int32" if isinstance(shape, Indices) else None) for shape in shapes]
    return inputs if len(inputs) > 1 else inputs[0]


@each
def test_symbolic_shape_is_the_real_one(name, arguments, shapes):
    layer = make(name, arguments)
    symbolic = call(layer, symbols(shapes))
    real = call(layer, batch(shapes))
    assert symbolic.shape == (None, *real.shape[1:])
    assert symbolic.dtype == real.dtype == "float32"
    given = [(None, *shape) for shape in shapes]
    given = given if name in SEVERAL else [given if len(given) > 1 else given[0]]
    assert make(name, arguments).compute_output_shape(*given) == symbolic.shape


SPATIAL = [case for case in TABLE if case[2] == [IMAGE] and case[0] not in ("Flatten", "Reshape")]


@pytest.mark.parametrize(("name", "arguments", "shapes"), SPATIAL, ids=[f"{i}-{c[0]}" for i, c in enumerate(SPATIAL)])
def test_unknown_sizes_stay_unknown(name, arguments, shapes):
    first = arguments.get("data_format") == "channels_first" or arguments.get("axis") == 1
    unknown = (shapes[0][0], None, None) if first else (None, None, shapes[0][2])
    layer = make(name, arguments)
    symbolic = layer(keras.Input(unknown))
    real = call(layer, batch(shapes))
    assert len(symbolic.shape) == len(real.shape)
    assert all(n in (None, m) for n, m in zip(symbolic.shape, real.shape))
    assert symbolic.shape[0] is None


@each
def test_configuration_makes_an_equal_layer(name, arguments, shapes):
    layer = make(name, arguments)
    config = json.loads(json.dumps(layers.serialize(layer)))
    assert config["module"] == "keras.layers"
    copy = layers.deserialize(config)
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    assert set(arguments) <= set(layer.get_config())
    x = batch(shapes)
    expected = call(layer, x)
    call(copy, symbols(shapes))  # builds it, and draws nothing
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(expected, call(copy, x))
    rebuilt = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert [w.shape for w in rebuilt.weights] == [w.shape for w in layer.weights]


@each
def test_on_the_stand_in_gpu(name, arguments, shapes):
    layer = make(name, arguments)
    expected = np.asarray(call(layer, batch(shapes)))
    with emulated_gpu() as gpu:
        other = make(name, arguments)
        call(other, symbols(shapes))
        other.set_weights(layer.get_weights())
        found = call(other, batch(shapes))
        assert found.device == gpu
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


@each
def test_gradients_reach_inputs_and_weights(name, arguments, shapes):
    layer = make(name, arguments)
    x = [keras.Variable(a) for a in (batch(shapes) if len(shapes) > 1 else [batch(shapes)])]
    with keras.GradientTape() as tape:
        y = call(layer, x if len(x) > 1 else x[0], training=True)
        loss = ops.sum(y * y)
    sources = [*(v for v in x if v.dtype == "float32"), *layer.trainable_weights]
    for source, gradient in zip(sources, tape.gradient(loss, sources)):
        if name in STEPS:
            assert gradient is None
            continue
        assert gradient.shape == source.shape
        assert np.isfinite(gradient.numpy()).all()


@each
def test_a_recorded_step_has_the_bits_of_an_eager_one(name, arguments, shapes):
    (eager, runs), (recorded, traced) = (_steps(name, arguments, shapes, wrap) for wrap in (None, keras.function))
    assert (runs, traced) == (5, 3)  # Python does not run in replays
    for a, b in zip(eager, recorded):
        np.testing.assert_array_equal(a, b)


def _steps(name, arguments, shapes, wrap):
    """Outputs, gradients and variables of five training steps, and how often their Python code ran."""
    keras.set_random_seed(1)
    layer = make(name, arguments)
    call(layer, symbols(shapes))
    runs = []

    def step(*xs):
        runs.append(1)
        with keras.GradientTape() as tape:
            inputs = [x for x in xs if x.dtype == "float32"]
            tape.watch(inputs)
            y = call(layer, list(xs) if len(xs) > 1 else xs[0], training=True)
            loss = ops.sum(ops.square(y))
        gradients = tape.gradient(loss, [*inputs, *layer.trainable_weights])
        for w, g in zip(layer.trainable_weights, gradients[len(inputs) :]):
            w.assign_sub(0.01 * g)
        return [y, *gradients]

    step, results = wrap(step) if wrap else step, []
    for seed in range(5):
        xs = batch(shapes, seed=seed)
        found = step(*map(ops.convert_to_tensor, xs if len(shapes) > 1 else [xs]))
        results += [np.asarray(x) for x in found] + [v.numpy() for v in layer.variables]
    return results, len(runs)


@each
def test_float64_and_mixed_precision(name, arguments, shapes):
    double = make(name, arguments | {"dtype": "float64"})
    y = call(double, batch(shapes))
    assert y.dtype == "float64"
    assert all(w.dtype in ("float64", "int32") for w in double.weights)
    for policy, dtype, tolerance in (("mixed_float16", "float16", 2e-2), ("mixed_bfloat16", "bfloat16", 2e-1)):
        mixed = make(name, arguments | {"dtype": policy})
        assert call(mixed, symbols(shapes)).dtype == dtype
        mixed.set_weights(double.get_weights())
        found = call(mixed, batch(shapes))
        assert found.dtype == dtype
        assert all(w.dtype in ("float32", "int32") for w in mixed.weights)
        np.testing.assert_allclose(found.numpy().astype("float64"), y.numpy(), rtol=tolerance, atol=tolerance)


@each
def test_an_empty_batch(name, arguments, shapes):
    layer = make(name, arguments)
    full = call(layer, batch(shapes))
    assert call(layer, batch(shapes, n=0)).shape == (0, *full.shape[1:])


def test_the_table_has_every_layer():
    cells = {name for name in layers.catalog.entries if "Cell" in name}  # in the rows of RNN, and in test_recurrent
    assert {case[0] for case in TABLE} == set(layers.catalog.entries) - cells - {"InputLayer"} - set(ON_HOST)
