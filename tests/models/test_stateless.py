"""Other values for variables: `StatelessScope`, `stateless_call`, and `Function`, which has no variables."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers, ops


def test_variables_are_what_they_were():
    v, other = keras.Variable([1.0, 2.0]), keras.Variable(5.0)
    with keras.StatelessScope([(v, np.array([10.0, 20.0]))]) as scope:
        np.testing.assert_array_equal(v * 1, [10, 20])
        v.assign_add(np.ones(2))
        other.assign(7.0)
        assert float(other) == 7
        np.testing.assert_array_equal(scope.get_current_value(v), [11, 21])
    np.testing.assert_array_equal(v, [1, 2])
    assert float(other) == 5
    np.testing.assert_array_equal(scope.get_current_value(v), [11, 21])
    assert float(scope.get_current_value(other)) == 7
    assert scope.get_current_value(keras.Variable(1.0)) is None


def test_scopes_inside_each_other():
    v = keras.Variable(1.0)
    with keras.StatelessScope([(v, 2.0)]):
        with keras.StatelessScope([(v, 3.0)]) as inner:
            assert float(v) == 3
        assert float(v) == 2
        v.assign(4.0)
    assert (float(v), float(inner.get_current_value(v))) == (1, 3)


def test_given_arrays_stay_as_they_are():
    v, given = keras.Variable([1.0]), np.array([2.0], "float32")
    with keras.StatelessScope([(v, given)]):
        v.assign_add([1.0])
    assert given.tolist() == [2]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [([(1, 2)], "expected variables as keys. Received: 1"), ([(keras.Variable(1.0), [1.0])], "must be equal")],
)
def test_wrong_mappings(mapping, message):
    with pytest.raises(ValueError, match=message):
        keras.StatelessScope(mapping)


def _model():
    keras.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, kernel_regularizer="l2"), layers.BatchNormalization(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    return model


def test_a_stateless_step_is_an_ordinary_one():
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    model = _model()
    trainable = [v.detach() for v in model.trainable_variables]
    fixed = [v.detach() for v in model.non_trainable_variables]
    outputs, new, losses = model.stateless_call(trainable, fixed, x, training=True, return_losses=True)
    for variable, value in zip([*model.trainable_variables, *model.non_trainable_variables], [*trainable, *fixed]):
        np.testing.assert_array_equal(variable, value)
    with keras.GradientTape() as tape:
        expected = model(x, training=True)
        loss = ops.mean(expected**2) + ops.sum(ops.stack(model.losses))
    np.testing.assert_array_equal(outputs, expected)
    np.testing.assert_array_equal(losses[0], model.losses[0])
    for variable, value in zip(model.non_trainable_variables, new):
        np.testing.assert_array_equal(variable, value)

    def loss_of(*values):
        y, _, penalties = model.stateless_call(values, fixed, x, training=True, return_losses=True)
        return ops.mean(y**2) + ops.sum(ops.stack(penalties))

    gradients = keras.grad(loss_of, argnums=tuple(range(len(trainable))))(*trainable)
    for found, other in zip(gradients, tape.gradient(loss, model.trainable_variables)):
        np.testing.assert_allclose(found, other, rtol=1e-5, atol=1e-6)


def test_stateless_call_checks_its_values():
    model = _model()
    with pytest.raises(ValueError, match="Received list with length 0, but expected 6 variables"):
        model.stateless_call([], [], np.ones((1, 3)))
    with pytest.raises(ValueError, match="Dense must be built"):
        layers.Dense(2).stateless_call([], [], np.ones((1, 3)))


def test_function():
    a, b = keras.KerasTensor((None, 2)), keras.KerasTensor((None, 2))
    function = keras.Function([a, b], {"sum": a + b, "product": ops.exp(a) * b})
    found = function([np.ones((1, 2)), np.full((1, 2), 3.0)])
    np.testing.assert_array_equal(found["sum"], [[4, 4]])
    np.testing.assert_allclose(found["product"], np.full((1, 2), 3 * np.e), rtol=1e-6)
    assert (function.inputs, len(function.outputs)) == ([a, b], 2)
    model_input = keras.Input((2,))
    model = keras.Model(model_input, function([model_input, model_input])["sum"])
    np.testing.assert_array_equal(model(np.ones((3, 2))), np.full((3, 2), 2.0))
    with pytest.raises(ValueError, match="don't have the same structure"):
        function(np.ones((1, 2)))
    with pytest.raises(ValueError, match="must be KerasTensors"):
        keras.Function([a], [1])


def test_small_names():
    assert keras.version() == keras.__version__
    assert keras.FloatDTypePolicy("float16") == keras.DTypePolicy("float16")
    assert keras.backend.get_uid("of this test") + 1 == keras.backend.get_uid("of this test")
    assert keras.Variable("ones", shape=(2,)).numpy().tolist() == [1, 1]
    variable = keras.Variable(initializer="zeros", shape=(2, 3), dtype="float16", name="kernel")
    assert (variable.shape, variable.dtype, variable.name) == ((2, 3), "float16", "kernel")
    with keras.name_scope("outer"), keras.name_scope("inner", override_parent="a/b"):
        assert keras.Variable(1.0, name="v").path == "a/b/inner/v"
    with pytest.raises(ValueError, match="initializer expected"):
        keras.Variable("nothing", shape=(1,))
