"""Loops and choices."""

import numpy as np
import pytest

import gpunet
from gpunet import ops


def test_choices():
    x = ops.convert_to_tensor([1.0, -2.0])
    assert float(ops.cond(ops.sum(x) > 0, lambda: x[0], lambda: x[1])) == -2
    branches = [lambda a: a + 1, lambda a: a * 10]
    assert [float(ops.switch(i, branches, x[0])) for i in (-3, 0, 1, 9)] == [2, 2, 10, 10]


def test_loops():
    assert float(ops.fori_loop(2, 5, lambda i, v: v * i, ops.convert_to_tensor(1.0))) == 24
    i, total = ops.while_loop(lambda i, t: i < 4, lambda i, t: (i + 1, t + i), (0, ops.convert_to_tensor(0.0)))
    assert (i, float(total)) == (4, 6)
    assert ops.while_loop(lambda i: i < 100, lambda i: i + 1, 0, maximum_iterations=7) == 7


def test_scan_is_differentiable():
    x = gpunet.Variable(np.arange(1.0, 5.0))
    with gpunet.GradientTape() as tape:
        last, products = ops.scan(lambda c, v: (c * v, c * v), ops.convert_to_tensor(1.0), x)
        loss = ops.sum(products)
    np.testing.assert_allclose(products, [1, 2, 6, 24])
    assert float(last) == 24
    np.testing.assert_allclose(tape.gradient(loss, x), [33, 16, 10, 6])
    _, back = ops.scan(lambda c, v: (c + v, c + v), 0.0, x, reverse=True)
    np.testing.assert_allclose(back, [10, 9, 7, 4])
    carry, nothing = ops.scan(lambda c, _: (c + 1, None), 0, length=3)
    assert (carry, nothing) == (3, None)
    with pytest.raises(ValueError, match="one positive length"):
        ops.scan(lambda c, v: (c, v), 0, x, length=3)


def test_maps():
    x = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    np.testing.assert_allclose(ops.map(lambda row: ops.sum(row), x), x.sum(1), rtol=1e-6)
    found = ops.vectorized_map(lambda pair: {"s": pair["a"] + pair["b"]}, {"a": x, "b": 2 * x})
    np.testing.assert_allclose(found["s"], 3 * x, rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan(n, reverse):
    x = np.random.default_rng(n).standard_normal((2, n)).astype("float32")
    expected = np.cumsum(x[:, ::-1], 1)[:, ::-1] if reverse else np.cumsum(x, 1)
    np.testing.assert_allclose(ops.associative_scan(ops.add, x, reverse, axis=1), expected, rtol=1e-5, atol=1e-6)
    both = ops.associative_scan(lambda a, b: (a[0] + b[0], ops.maximum(a[1], b[1])), (x, x), axis=1)
    np.testing.assert_allclose(both[1], np.maximum.accumulate(x, 1))


def test_vectorize():
    double = ops.vectorize(lambda a, b: a + b)
    np.testing.assert_array_equal(double(np.array([1, 2, 3, 4]), 2), [3, 4, 5, 6])
    product = ops.vectorize(lambda m, v: ops.matmul(m, v), signature="(m,n),(n)->(m)")
    m, v = np.arange(12.0).reshape(2, 2, 3), np.arange(3.0)
    np.testing.assert_allclose(product(m, v), m @ v)
    both = ops.vectorize(lambda x, name: (x + 1, x if name == "a" else -x), excluded={1}, signature=None)
    np.testing.assert_array_equal(both(np.array([[1, 2]]), "a")[1], [[1, 2]])
    x = gpunet.Variable([1.0, 2.0])
    with gpunet.GradientTape() as tape:
        y = ops.sum(ops.vectorize(lambda a: a * a)(x))
    np.testing.assert_allclose(tape.gradient(y, x), [2, 4])
    with pytest.raises(ValueError, match="to be a callable. Received: pyfunc=3"):
        ops.vectorize(3)
    with pytest.raises(ValueError, match="Received: signature='m->n'"):
        ops.vectorize(ops.sin, signature="m->n")
    with pytest.raises(ValueError, match="expected 2 arguments"):
        product(m)


def test_the_namespaces_have_what_keras_has():
    from gpunet.ops import linalg, nn, numpy

    assert ops.nn is nn
    assert ops.numpy.add is ops.add
    assert ops.linalg.solve is ops.solve is linalg.solve
    for module in (nn, numpy, linalg):
        assert dir(module)
        for name in module.__all__:
            assert getattr(module, name) is getattr(ops, name)
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            _ = module.nothing
