"""Functions that differentiate functions, and functions with a gradient of their own."""

import numpy as np
import pytest

import gpunet
from gpunet import GradientTape, Tensor, Variable, ops
from gpunet.autograd import custom_gradient, grad, hessian, jvp, value_and_grad, vjp
from gpunet.testing import check_gradients


def same(found, expected):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


def test_plain_numbers_and_arrays_in_give_plain_arrays_out():
    value, g = value_and_grad(lambda x: ops.sum(x**2))(np.array([1.0, 2.0]))
    assert type(value) is type(g) is np.ndarray
    same(value, 5)
    same(g, [2, 4])
    same(grad(lambda x: x**3)(2.0), 12)


def test_tensors_in_give_tensors_out():
    value, g = value_and_grad(lambda x: ops.sum(x**2))(Tensor([1.0, 2.0]))
    assert isinstance(value, Tensor)
    assert isinstance(g, Tensor)
    same(g, [2, 4])


def test_several_arguments_structures_and_aux():
    def loss(weights, x, scale=1.0):
        y = ops.sum(weights["w"] * x + weights["b"]) * scale
        return y, "note"

    weights = {"w": np.array([1.0, 2.0]), "b": np.array(3.0)}
    (value, aux), (dw, dx) = value_and_grad(loss, (0, 1), has_aux=True)(weights, np.array([4.0, 5.0]), scale=2.0)
    same(value, 2 * (4 + 3 + 10 + 3))
    assert aux == "note"
    same(dw["w"], [8, 10])
    same(dw["b"], 4)
    same(dx, [2, 4])
    g, aux = grad(loss, has_aux=True)(weights, np.array([4.0, 5.0]))
    assert aux == "note"
    same(g["b"], 2)


def test_grad_needs_a_scalar():
    for function, received in (
        (lambda x: x * 2, r"shape=\(2,\), dtype=float64"),
        (lambda x: ops.argmax(x), r"shape=\(\), dtype=int32"),
        (lambda x: None, "NoneType"),
    ):
        with pytest.raises(ValueError, match=f"returns a float scalar. Received: {received}"):
            grad(function)(np.ones(2))


def test_an_argument_that_does_not_matter_has_gradient_zero():
    same(grad(lambda x, y: ops.sum(y), 0)(np.ones(2), np.ones(3)), [0, 0])
    same(grad(lambda x: 2.0)(np.ones(2)), [0, 0])


def test_a_variable_as_argument_is_not_the_variable_in_the_function():
    v = Variable([2.0])
    same(grad(lambda x: ops.sum(x * v))(v), [2])
    frozen = Variable(2.0, trainable=False)
    _, pull = vjp(lambda x: x * x, frozen)
    frozen.assign(9.0)
    same(pull(Tensor(1.0))[0], 4)


@pytest.mark.parametrize(("order", "expected"), [(1, 4 * 27), (2, 12 * 9), (3, 24 * 3), (4, 24), (5, 0)])
def test_any_order(order, expected):
    function = lambda x: x**4
    for _ in range(order):
        function = grad(function)
    same(function(3.0), expected)


def test_vjp():
    y, pull = vjp(lambda a, b: ops.stack([a * b, a + b]), np.array(2.0), np.array(3.0))
    assert type(y) is np.ndarray
    same(y, [6, 5])
    for _ in range(2):
        da, db = pull(np.array([1.0, 10.0]))
        assert type(da) is np.ndarray
        same([da, db], [13, 12])
    y, pull = vjp(ops.sin, Tensor([0.5]))
    assert isinstance(y, Tensor)
    assert isinstance(pull(Tensor([1.0]))[0], Tensor)


def test_jvp():
    x, v = np.array([0.3, 0.7]), np.array([1.0, -2.0])
    y, along = jvp(lambda x: ops.sin(x) * ops.sum(x), (x,), (v,))
    assert type(y) is type(along) is np.ndarray
    same(y, np.sin(x) * x.sum())
    same(along, np.cos(x) * v * x.sum() + np.sin(x) * v.sum())
    y, along = jvp(ops.sin, (Tensor(x),), (v,))
    assert isinstance(y, Tensor)
    assert isinstance(along, Tensor)
    same(jvp(lambda x: ops.ones_like(x), (x,), (v,))[1], [0, 0])


def test_jvp_of_what_is_not_closed_under_differentiation():
    x, v = np.random.default_rng(0).standard_normal((2, 5, 3))
    _, along = jvp(lambda x: ops.batch_norm_training(x)[0], (x,), (v,))
    ahead, behind = (ops.batch_norm_training(x + h * v)[0] for h in (1e-6, -1e-6))
    np.testing.assert_allclose(along, (ahead - behind) / 2e-6, atol=1e-8)


def test_jvp_checks_its_tangents():
    for tangents in ((), (np.ones(3),), (1.0,)):
        with pytest.raises(ValueError, match="one tangent of the same shape for each primal. Received"):
            jvp(ops.sin, (np.ones(2),), tangents)


def test_jvp_of_ops_as_keras_has_it():
    x, v = np.array([1.0, 2.0]), np.array([1.0, 0.0])
    same(ops.jvp(ops.square, (x,), (v,))[1], [2, 0])
    value, along, aux = ops.linalg.jvp(lambda x: (x * 3, "more"), [x], [v], has_aux=True)
    same(value, [3, 6])
    same(along, [3, 0])
    assert aux == "more"


def test_jvp_can_be_differentiated():
    same(grad(lambda x: jvp(lambda t: t**3, (x,), (1.0,))[1])(2.0), 12)


def test_hessian():
    x = np.array([1.0, 2.0, 3.0])
    found = hessian(lambda x: ops.sum(x) * ops.sum(x**2))(x)
    assert type(found) is np.ndarray
    expected = 2 * (x[:, None] + x[None, :]) + 2 * x.sum() * np.eye(3)
    same(found, expected)
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert hessian(lambda w: ops.sum(w @ w))(matrix).shape == (2, 2, 2, 2)
    same(hessian(lambda x: ops.sum(x * 2))(x), np.zeros((3, 3)))


def test_transforms_do_not_leak_into_an_outer_tape():
    v = Variable(2.0)
    with GradientTape() as tape:
        y = v * gpunet.grad(lambda x: x**3)(3.0)
    same(tape.gradient(y, v), 27)


def test_an_outer_tape_sees_through_grad():
    v = Variable(2.0)
    with GradientTape() as tape:
        y = grad(lambda x: x**3 * v)(v)
    same(tape.gradient(y, v), 2 * 3 * 2 * 2 + 3 * 4)


# Functions with a gradient of their own.


def test_custom_gradient():
    @custom_gradient
    def log1pexp(x):
        e = ops.exp(x)
        return ops.log(1 + e), lambda upstream: upstream * (1 - 1 / (1 + e))

    same(grad(log1pexp)(0.0), 0.5)
    assert np.isfinite(grad(lambda x: log1pexp(x))(50.0))
    check_gradients(log1pexp, [np.array([0.3, -0.5])])


def test_custom_gradient_that_is_not_the_derivative():
    @custom_gradient
    def reversed_gradient(x):
        return x * 1.0, lambda upstream: -3.0 * upstream

    same(grad(lambda x: ops.sum(reversed_gradient(x) ** 2))(np.array([1.0, 2.0])), [-6, -12])


def test_custom_gradient_of_several_arguments_and_results():
    @custom_gradient
    def both(a, b, factor):
        return (a * b * factor, a + b), lambda g0, g1: (g0 * b * factor + g1, g0 * a * factor + g1)

    a, b = Variable(2.0), Variable(3.0)
    with GradientTape() as tape:
        product, total = both(a, b, 10.0)
        y = product + 2 * total
    same(tape.gradient(y, [a, b]), [32, 22])
    with GradientTape() as tape:
        _, total = both(a, b, 10.0)
    same(tape.gradient(total, [a, b]), [1, 1])


def test_custom_gradient_with_the_keyword_of_keras():
    @custom_gradient
    def double(x):
        def gradient(*args, upstream):
            return upstream * 2

        return x * 2, gradient

    same(grad(double)(1.0), 2)


def test_custom_gradient_outside_a_tape_and_of_plain_arrays():
    @custom_gradient
    def square(x):
        return ops.square(x), lambda g: g

    assert type(square(np.ones(2))) is np.ndarray
    assert square(Tensor([1.0]))._node is None


def test_custom_gradient_must_return_one_gradient_per_argument():
    @custom_gradient
    def product(a, b):
        return a * b, lambda g: g

    with pytest.raises(ValueError, match="one gradient per tensor argument: expected 2. Received: 1"):
        grad(product)(Tensor(1.0), Tensor(2.0))


def test_errors_inside_a_custom_gradient_are_not_hidden():
    @custom_gradient
    def broken(x):
        def gradient(g):
            raise TypeError("inside")

        return x * 1.0, gradient

    with pytest.raises(TypeError, match="inside"):
        grad(broken)(1.0)
