"""Sums of the NumPy provider, by BLAS or by a ufunc as shapes go, against exact ones; replays have the same bits."""

import math

import numpy as np
import pytest

import gpunet.ops  # noqa: F401 - registers the arrays' backends
from gpunet.backend.cpu import cpu, reduction
from gpunet.backend.primitives import reduction as prim

SHAPES = [
    (5000,),
    (4096,),
    (70, 64),
    (3, 4097),
    (9, 33, 21),
    (2, 5000, 3),
    (1, 9000),
    (9000, 1),
    (4, 0, 3),
    (64, 1, 64),
]
AXES = [None, (0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2), ()]


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_along_any_axes(shape, kind):
    x = np.random.default_rng(0).standard_normal(shape).astype(kind) + 1
    tolerance = (1e-6 if kind == "float32" else 1e-14) * max(1.0, math.sqrt(x.size))
    for axis in (axis for axis in AXES if axis is None or max(axis, default=0) < x.ndim):
        for keepdims in (False, True):
            expected = x.astype("float64").sum(axis=axis, keepdims=keepdims)
            found = prim.sum(x, axis=axis, keepdims=keepdims)
            assert (found.shape, found.dtype) == (expected.shape, x.dtype)
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
            out = np.empty(expected.shape, kind)
            assert prim.sum(x, axis=axis, keepdims=keepdims, out=out) is out
            np.testing.assert_array_equal(out, found)
            place = np.empty_like(out)
            ready = cpu.binders["sum"](x, axis=axis, keepdims=keepdims, out=place)
            if ready is not None:
                ready()
                np.testing.assert_array_equal(place, found)
        transposed = prim.sum(x.T, axis=None if axis is None else tuple(x.ndim - 1 - i for i in reversed(axis)))
        np.testing.assert_allclose(transposed, x.astype("float64").sum(axis=axis).T, rtol=tolerance, atol=tolerance)


def test_long_float32_sums_lose_few_digits():
    x = np.random.default_rng(0).random(1 << 22, "float32") + 1
    exact = math.fsum(x)
    assert prim.sum(x) == pytest.approx(exact, rel=2e-7)
    assert reduction._by_blas(x, None)[0] is reduction._sum_all
    rows = x.reshape(-1, 4096)
    assert reduction._by_blas(rows, (1,))[0] is reduction._sum_columns
    np.testing.assert_allclose(prim.sum(rows, axis=(1,)), rows.astype("float64").sum(1), rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_reaches_its_own_sums_alone(value):
    x = np.ones((300, 70), "float32")
    x[7, 5] = value
    assert repr(float(prim.sum(x))) == repr(float(value))
    for axis, place, length in (((0,), 5, 70), ((1,), 7, 300)):
        sums = prim.sum(x, axis=axis)
        assert repr(float(sums[place])) == repr(float(value))
        assert np.isfinite(np.delete(sums, place)).all()
        assert sums.shape == (length,)
