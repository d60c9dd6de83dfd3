"""Softmax in compiled loops: against float64, with NaN and infinity as NumPy has them, and bound with the same bits."""

import numpy as np
import pytest

from gpunet.backend.numba_cpu import compiled, numba, rows
from gpunet.backend.primitive import PRIMITIVES, backend_of
from gpunet.backend.primitives import nn as prim

from .problems import exact, floats

pytestmark = pytest.mark.skipif(not compiled.is_installed(), reason="Numba is not installed (pip install numba)")

SHAPES = [(300, 64), (8, 4, 16, 37), (17, 1003), (20000, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_softmax_and_its_gradient_are_close_to_float64(shape):
    rng = np.random.default_rng(0)
    x, g = 4 * floats(rng, *shape), floats(rng, *shape)
    x.reshape(-1, shape[-1])[3, 1:] = -1e9  # masked
    y = numba.implementations["softmax"](x, axis=x.ndim - 1)
    np.testing.assert_allclose(y, exact(prim.softmax, x), rtol=4e-6, atol=1e-37)
    out = np.empty_like(x)
    assert numba.implementations["softmax_grad"](g, y, out=out) is out
    np.testing.assert_allclose(out, exact(prim.softmax_grad, g, y), rtol=0, atol=1e-6)


def test_rows_with_nan_or_infinity_are_nan():
    x = floats(np.random.default_rng(0), 300, 64)
    for row, value in enumerate((np.nan, np.inf)):
        x[row, 5] = value
    x[2] = -np.inf
    x[3, 5] = -np.inf  # which is no more than a weight of 0
    y = numba.implementations["softmax"](x)
    assert np.isnan(y[:3]).all()
    assert np.isfinite(y[3:]).all()
    assert y[3, 5] == 0


@pytest.mark.parametrize("name", ["softmax", "softmax_grad"])
def test_bound_calls_have_the_bits_of_single_ones(name):
    rng = np.random.default_rng(0)
    operands = [floats(rng, 300, 64) for _ in range(1 if name == "softmax" else 2)]
    out = np.empty((300, 64), "float32")
    run = backend_of(np.ndarray).ready(PRIMITIVES[name], lambda: "general", *operands, out=out)
    for _ in range(2):
        assert run() is out
        np.testing.assert_array_equal(out, numba.implementations[name](*operands))
        operands[0] *= 2


def test_leaves_other_arrays_to_the_next_provider():
    x = floats(np.random.default_rng(0), 300, 64)
    softmax = numba.implementations["softmax"]
    assert softmax(x, axis=0) is NotImplemented
    assert softmax(x.astype("float64")) is NotImplemented
    assert softmax(x[:9]) is NotImplemented
    assert rows.softmax_grad(x, x[:1]) is NotImplemented
    np.testing.assert_array_equal(softmax(x[:, ::-1]), softmax(x[:, ::-1].copy()))


@pytest.mark.parametrize("kind", ["int32", "int64", "uint8"])
@pytest.mark.parametrize("shape", [(300, 64), (40, 1003), (1, 20000)], ids=str)
def test_crossentropy_of_many_classes(shape, kind):
    name = "sparse_softmax_crossentropy"
    rng = np.random.default_rng(0)
    logits, labels = 4 * floats(rng, *shape), rng.integers(0, min(200, shape[1]), shape[0]).astype(kind)
    loss, (probabilities,) = numba.implementations[name](logits, labels, residuals=True)
    wide = logits.astype("float64")
    wide -= wide.max(1, keepdims=True)
    expected = np.log(np.exp(wide).sum(1)) - wide[np.arange(len(labels)), labels]
    np.testing.assert_allclose(loss, expected, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(probabilities, exact(prim.softmax, logits), rtol=4e-6, atol=1e-37)
    out = np.empty_like(loss)
    run = backend_of(np.ndarray).ready(PRIMITIVES[name], lambda: "general", logits, labels, out=out, residuals=True)
    for _ in range(2):
        assert run() == (out, (run.parts[1],))
        np.testing.assert_array_equal(out, numba.implementations[name](logits, labels)[0])
        logits *= 2
    assert numba.implementations[name](logits[:, :9], labels) is NotImplemented


def test_crossentropy_of_labels_out_of_range_and_of_nan_is_nan():
    logits, labels = floats(np.random.default_rng(0), 300, 64), np.zeros(300, "int32")
    labels[:2], logits[2, 5], logits[3, 5] = (-1, 64), np.nan, np.inf
    loss = numba.implementations["sparse_softmax_crossentropy"](logits, labels)[0]
    assert np.isnan(loss[:4]).all()
    assert np.isfinite(loss[4:]).all()
