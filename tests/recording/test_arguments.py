"""What a recording takes for its arguments: their memory, layout and values, and what surrounds a call."""

import logging
from itertools import count

import numpy as np
import pytest

import gpunet
from gpunet import layers, models, ops


@pytest.fixture
def xy():
    rng = np.random.default_rng(0)
    return [rng.standard_normal((4, 5)).astype("float32") for _ in range(2)]


def repeat(f, *args, times=5):
    for _ in range(times):
        found = f(*args)
    return found


def test_two_arguments_that_are_one_array_are_told_apart(xy):
    x, y = xy
    f = gpunet.function(lambda a, b: ops.subtract(ops.multiply(a, 2.0), b))
    repeat(f, x, x)
    np.testing.assert_array_equal(f(x, y), x * 2 - y)
    tensors = list(map(ops.convert_to_tensor, xy))
    repeat(f, tensors[0], tensors[0])
    np.testing.assert_array_equal(f(*tensors).numpy(), x * 2 - y)


def test_an_argument_that_is_the_storage_of_a_variable_is_not_the_variable(xy):
    x, y = xy
    v = gpunet.Variable(x)
    f = gpunet.function(lambda a: ops.add(a, v))
    repeat(f, v.array)
    np.testing.assert_array_equal(f(y).numpy(), y + x)


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda x: np.repeat(x, 2, 1)[:, ::2], lambda x: x[::-1, ::-1]])
def test_the_layout_of_arguments_does_not_matter(xy, layout):
    function = gpunet.function(lambda a: ops.multiply(ops.transpose(a)[1:3], 2.0))
    seen = gpunet.function(lambda a: ops.multiply(a.T[1:3], 2.0))  # by NumPy, without a primitive
    for f in (function, seen):
        for x in [layout(xy[0])] * 5 + [xy[1], layout(xy[1])]:
            np.testing.assert_array_equal(f(x), x.T[1:3] * 2)


def test_minus_zero_is_another_number(xy):
    f = gpunet.function(lambda a, s: ops.multiply(a, s))
    repeat(f, np.ones(3, "float32"), 0.0)
    assert np.signbit(f(np.ones(3, "float32"), -0.0)).all()


def test_numpy_scalars_are_values_like_numbers_of_python(xy):
    f = gpunet.function(lambda a, s: ops.multiply(a, s))
    for i in (1, 1, 1, 1, 2, 3, 1):
        np.testing.assert_array_equal(f(xy[0], np.float32(i)), xy[0] * i)
    assert f.obstacles() == {}


def test_arguments_that_can_change_unnoticed_are_an_obstacle(xy, caplog):
    f = gpunet.function(lambda a, s: ops.multiply(a, float(max(s))))
    chosen = {2}
    with caplog.at_level(logging.WARNING, "gpunet"):
        repeat(f, xy[0], chosen)
    assert "an argument of type set may change unnoticed" in caplog.text
    chosen.add(9)
    np.testing.assert_array_equal(f(xy[0], chosen), xy[0] * 9)


def test_results_of_python_that_differ_are_an_obstacle(xy):
    numbers = count()
    f = gpunet.function(lambda a: (ops.multiply(a, 2.0), next(numbers)))
    assert [f(xy[0])[1] for _ in range(8)] == list(range(8))
    assert "return different things" in str(f.obstacles())


class WithHelper(models.Model):
    def __init__(self):
        super().__init__()
        self.dropout = layers.Dropout(0.5)

    @gpunet.function
    def helper(self, x):
        return self.dropout(x)

    def call(self, x, training=False):
        return self.helper(x)


def test_training_of_the_surrounding_call_is_part_of_the_signature(xy):
    model, x = WithHelper(), ops.ones((64, 4))
    for training in [True] * 5 + [False] * 5 + [True, False]:
        assert (model(x, training=training).numpy() == 0).any() == training


def test_a_mask_is_an_argument_too():
    f = gpunet.function(layers.GlobalAveragePooling1D())
    for row in np.eye(6, dtype=bool) | np.eye(1, 6, dtype=bool):
        x = ops.convert_to_tensor(np.arange(6, dtype="float32").reshape(1, 6, 1))
        x._keras_mask = ops.convert_to_tensor(row[None])
        np.testing.assert_allclose(f(x).numpy(), [[np.arange(6)[row].mean()]])


@pytest.mark.parametrize(("name", "value"), [("floatx", "float64"), ("epsilon", 1e-2)])
def test_a_change_of_a_default_begins_anew(xy, name, value):
    function = {
        "floatx": lambda x: ops.zeros((2,)) + ops.cast(ops.sum(x), gpunet.config.floatx()),
        "epsilon": lambda x: ops.add(x, gpunet.config.epsilon()),
    }[name]
    f, before = gpunet.function(function), getattr(gpunet.config, name)()
    repeat(f, xy[0])
    try:
        getattr(gpunet.config, f"set_{name}")(value)
        found, expected = f(xy[0]), function(xy[0])
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    finally:
        getattr(gpunet.config, f"set_{name}")(before)


def test_an_interrupted_replay_has_changed_its_variables():
    v, x = gpunet.Variable(np.ones((600, 600), "float32")), np.ones((64, 600), "float32")
    multiply = gpunet.function(lambda a: ops.matmul(a, v))
    loss = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)

    def body(labels, logits):
        v.assign(v * 2.0)
        return loss(labels, logits)

    step, labels, logits = gpunet.function(body), np.zeros(8, "int32"), np.zeros((8, 3), "float32")
    repeat(step, labels, logits)
    repeat(multiply, x)
    with pytest.raises(ValueError, match="label"):
        step(labels + 9, logits)
    np.testing.assert_array_equal(multiply(x).numpy(), ops.matmul(x, v).numpy())


def test_arrays_that_numpy_computes_of_plain_arguments_are_an_obstacle(xy):
    x, y = xy
    f = gpunet.function(lambda a: ops.add(np.tanh(a), 1.0))
    repeat(f, x)
    assert "give tensors" in str(f.obstacles())
    np.testing.assert_array_equal(f(y), np.tanh(y) + np.float32(1))


def test_arrays_from_outside_are_none(xy):
    table = np.ones(5, "float32")
    f = gpunet.function(lambda a: ops.add(a, table))
    for i in range(6):
        table[:] = i
        np.testing.assert_array_equal(f(xy[0]), xy[0] + table)
    assert f.obstacles() == {}


def test_slices_and_what_has_no_hash(xy, caplog):
    x = ops.convert_to_tensor(xy[0])
    f = gpunet.function(lambda a, part: a[part])
    for stop in (2, 2, 2, 2, 3, 3):
        np.testing.assert_array_equal(f(x, slice(0, stop)).numpy(), xy[0][:stop])
    assert f.obstacles() == {}
    scaled = gpunet.function(lambda a, factors: a * float(max(factors)))
    with caplog.at_level(logging.WARNING, "gpunet"):
        for i in range(5):
            np.testing.assert_array_equal(scaled(x, {i}).numpy(), xy[0] * i)
    assert len(caplog.records) == 1


def test_arrays_without_axes(xy):
    f = gpunet.function(lambda a: ops.multiply(ops.square(a), np.float32(2)))
    for i in range(6):
        assert float(f(np.asarray(i, "float32"))) == 2 * i * i
    assert f.obstacles() == {}
