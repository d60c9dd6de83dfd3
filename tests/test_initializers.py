"""Initializers, regularizers, constraints and activations: values, statistics, lookup, configurations."""

import math

import numpy as np
import pytest

import gpunet as keras
from gpunet import activations, constraints, initializers, ops, regularizers

SHAPE = (3, 3, 40, 60)  # fan-in 360, fan-out 540
FAN_IN, FAN_OUT = 360, 540
SCALED = {
    "GlorotUniform": (1.0, (FAN_IN + FAN_OUT) / 2, "uniform"),
    "GlorotNormal": (1.0, (FAN_IN + FAN_OUT) / 2, "normal"),
    "HeNormal": (2.0, FAN_IN, "normal"),
    "HeUniform": (2.0, FAN_IN, "uniform"),
    "LecunNormal": (1.0, FAN_IN, "normal"),
    "LecunUniform": (1.0, FAN_IN, "uniform"),
}


@pytest.mark.parametrize("name", SCALED)
def test_variance_is_scaled_to_the_fans(name):
    scale, fan, kind = SCALED[name]
    values = getattr(initializers, name)(seed=1)(SHAPE).numpy()
    deviation = math.sqrt(scale / fan)
    assert abs(values.mean()) < 0.02 * deviation
    assert abs(values.std() / deviation - 1) < 0.01
    limit = math.sqrt(3) * deviation if kind == "uniform" else 2 * deviation / 0.8796256610342398
    assert 0.98 * limit < np.abs(values).max() <= limit * (1 + 1e-6)


def test_plain_distributions():
    normal = initializers.RandomNormal(mean=1.0, stddev=0.5, seed=2)((20000,)).numpy()
    assert abs(normal.mean() - 1) < 0.02
    assert abs(normal.std() - 0.5) < 0.01
    assert np.abs(normal - 1).max() > 1.5
    truncated = initializers.TruncatedNormal(stddev=0.5, seed=2)((20000,)).numpy()
    assert np.abs(truncated).max() <= 1.0
    assert abs(truncated.std() - 0.5 * 0.8796) < 0.01
    uniform = initializers.RandomUniform(-1, 3, seed=2)((20000,)).numpy()
    assert uniform.min() >= -1
    assert uniform.max() < 3
    assert abs(uniform.mean() - 1) < 0.03
    assert abs(uniform.std() - 4 / math.sqrt(12)) < 0.02


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (2, 2, 3, 4)])
def test_orthogonal(shape):
    matrix = initializers.Orthogonal(gain=2.0, seed=0)(shape).numpy().reshape(-1, shape[-1])
    product = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_constants():
    np.testing.assert_array_equal(initializers.Zeros()((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(initializers.Ones()((2,), dtype="float64"), np.ones(2))
    np.testing.assert_array_equal(initializers.Constant(3.0)((2, 2)), np.full((2, 2), 3.0))
    np.testing.assert_array_equal(initializers.Constant([1.0, 2.0])((3, 2)), [[1, 2]] * 3)
    np.testing.assert_array_equal(initializers.Identity(2.0)((2, 3)), 2 * np.eye(2, 3))
    np.testing.assert_array_equal(initializers.get(np.arange(4.0))((4,)), np.arange(4.0))
    with pytest.raises(ValueError, match="Expected `shape` to be"):
        initializers.get(np.arange(4.0))((3, 4))
    with pytest.raises(ValueError, match="2D"):
        initializers.Identity()((2, 2, 2))
    with pytest.raises(ValueError, match="two dimensions"):
        initializers.Orthogonal()((3,))


def test_seeds():
    fixed = initializers.HeNormal(seed=5)
    np.testing.assert_array_equal(fixed((4,)), fixed((4,)))
    stream = initializers.HeNormal(seed=keras.random.SeedGenerator(5))
    assert (stream((4,)).numpy() != stream((4,)).numpy()).any()
    keras.utils.set_random_seed(1)
    first = initializers.HeNormal()((4,)).numpy()
    other = initializers.HeNormal()((4,)).numpy()
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(initializers.HeNormal()((4,)), first)
    assert (first != other).any()
    with pytest.raises(ValueError, match="seed"):
        initializers.HeNormal(seed="a")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes(dtype):
    for name in ("zeros", "ones", "glorot_uniform", "truncated_normal", "orthogonal"):
        assert initializers.get(name)((4, 4), dtype=dtype).dtype == dtype


@pytest.mark.parametrize(
    "thing",
    [
        *[getattr(initializers, name)() for name in initializers.catalog.entries],
        initializers.VarianceScaling(3.0, "fan_out", "uniform", seed=4),
        initializers.Constant(np.arange(3.0)),
        regularizers.L1(0.3),
        regularizers.L2(0.3),
        regularizers.L1L2(0.1, 0.2),
        regularizers.OrthogonalRegularizer(0.2, "columns"),
        constraints.MaxNorm(3.0, axis=[0, 1]),
        constraints.MinMaxNorm(0.1, 0.2, 0.3, 1),
        constraints.UnitNorm(1),
        constraints.NonNeg(),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_configurations(thing):
    module = next(m for m in (initializers, regularizers, constraints) if type(thing).__name__ in m.catalog.entries)
    config = module.serialize(thing)
    copy = module.deserialize(config)
    assert type(copy) is type(thing)
    assert module.serialize(copy) == config
    assert config["module"] == f"keras.{module.__name__.split('.')[-1]}"


def test_lookup():
    assert isinstance(initializers.get("he_normal"), initializers.HeNormal)
    assert isinstance(initializers.get(initializers.HeNormal), initializers.HeNormal)
    assert isinstance(regularizers.get("l1_l2"), regularizers.L1L2)
    assert isinstance(constraints.get("max_norm"), constraints.MaxNorm)
    assert initializers.get(None) is regularizers.get(None) is constraints.get(None) is None
    assert activations.get(None) is activations.linear
    assert activations.get("relu") is activations.relu
    assert activations.get("swish") is activations.silu

    def mine(x):
        return x * 2

    assert activations.get(mine) is mine
    assert keras.layers.Dense(2, kernel_initializer=lambda shape, dtype=None: ops.ones(shape, dtype)).kernel is None
    with pytest.raises(ValueError, match="argument l1: expected a non-negative float"):
        regularizers.L1(-1.0)
    with pytest.raises(ValueError, match="must have rank 2"):
        regularizers.OrthogonalRegularizer()(np.ones(3))


def test_activations_serialize_by_name():
    for name in activations.catalog.entries:
        function = activations.get(name)
        assert activations.serialize(function) == name
        assert activations.deserialize(name) is function


def test_relu_with_arguments():
    x = np.array([-2.0, -0.5, 0.5, 1.5, 9.0])
    np.testing.assert_allclose(activations.relu(x, negative_slope=0.1), [-0.2, -0.05, 0.5, 1.5, 9.0])
    np.testing.assert_allclose(activations.relu(x, max_value=6.0), [0, 0, 0.5, 1.5, 6.0])
    np.testing.assert_allclose(activations.relu(x, threshold=1.0), [0, 0, 0, 1.5, 9.0])


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize(("activation", "gain"), [("sigmoid", 1), ("tanh", 4), ("relu", 2**0.5)])
def test_gains_for_activations(activation, gain, distribution):
    initializer = initializers.ForActivation(activation, distribution, seed=3)
    values = np.asarray(initializer((400, 200)))
    deviation = gain * (2 / 600) ** 0.5
    np.testing.assert_allclose(values.std(), deviation, rtol=0.02)
    assert (np.abs(values).max() <= deviation * 3**0.5 * (1 + 1e-6)) == (distribution == "uniform")
    copy = initializers.deserialize(initializers.serialize(initializer))
    np.testing.assert_array_equal(copy((3, 4)), initializer((3, 4)))


def test_activations_without_a_gain_are_refused():
    with pytest.raises(ValueError, match="Received: activation='selu'"):
        initializers.ForActivation("selu")
    with pytest.raises(ValueError, match="Received: distribution='cauchy'"):
        initializers.ForActivation("relu", "cauchy")
