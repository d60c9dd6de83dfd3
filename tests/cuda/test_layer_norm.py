"""Layer and RMS normalisation against float64 on the host."""
# kernels: layer_norm.cu rows.cuh

import ml_dtypes
import numpy as np
import pytest

from gpunet.backend.devices import as_array
from gpunet.backend.portable import portable
from gpunet.backend.primitives import nn as prim

DTYPES = {"float32": "float32", "float64": "float64", "float16": "float16", "bfloat16": ml_dtypes.bfloat16}
TOLERANCE = {"float64": 1e-12, "float32": 2e-6, "float16": 2e-3, "bfloat16": 2e-2}
# Rows within a thread, a warp, a block and beyond; vectors and tails; columns and rows beyond a block of sums.
SHAPES = {
    "one element": (1,),
    "a vector": (1, 8),
    "rows of one": (300, 1),
    "ten": (130, 10),
    "vectors in a thread": (2, 3, 16),
    "two threads": (5, 24),
    "a warp": (3, 512),
    "a warp, odd": (150, 33),
    "two warps": (7, 515),
    "two chunks, vectors": (2, 4400),
    "two chunks, odd": (2, 4101),
}

pytestmark = pytest.mark.parametrize("dtype", DTYPES)


def draw(shape, dtype, seed=0, offset=0.0):
    numbers = np.random.default_rng(seed).standard_normal(shape) + offset
    return np.asarray(numbers).astype(DTYPES[dtype])


def wide(dtype):
    """What parameters of rows of a dtype have."""
    return "float64" if dtype == "float64" else "float32"


def reference(primitive, *arrays, **attributes):
    arrays = [a if a is None else np.asarray(a, "float64") for a in arrays]
    return portable.bind(primitive, np)(*arrays, **attributes)


def on(gpu, *arrays):
    return [a if a is None else as_array(a, target=gpu) for a in arrays]


def check(found, expected, dtype, scale=1.0):
    assert (found.dtype, found.shape) == (np.dtype(DTYPES[dtype]), expected.shape)
    tolerance = TOLERANCE[dtype] * scale
    np.testing.assert_allclose(found.get().astype("float64"), expected, rtol=tolerance, atol=tolerance)


def problem(shape, dtype, offset=0.0):
    """x, its gradient, gamma and beta."""
    parameters = [draw(shape[-1:], wide(dtype), seed) for seed in (2, 3)]
    return draw(shape, dtype, 0, offset), draw(shape, dtype, 1), *parameters


def check_all(gpu, x, g, gamma, beta, dtype, centred, parameters, scale=1.0):
    """Forward and backward; the scale is that of tolerances."""
    options = {"epsilon": 1e-3, "centred": centred}
    y, kept = prim.layer_norm(*on(gpu, x, gamma, beta), **options, residuals=True)
    expected, exact = reference(prim.layer_norm, x, gamma, beta, **options, residuals=True)
    check(y, expected, dtype, 4 * scale)
    alone, nothing = prim.layer_norm(*on(gpu, x, gamma, beta), **options)
    assert alone.get().tobytes() == y.get().tobytes()
    assert nothing == ()
    options = {"centred": centred, "parameters": parameters}
    found = prim.layer_norm_grad(*on(gpu, g, x, gamma), *kept, **options)
    dx, *sums = reference(prim.layer_norm_grad, g, x, gamma, *exact, **options)
    check(found[0], dx, dtype, 30 * scale)
    assert len(found) == 1 + parameters
    for total, expected in zip(found[1:], sums, strict=True):
        check(total, expected, wide(dtype), 30 * scale * (1 + abs(expected).max()))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("centred", [True, False], ids=["layer", "rms"])
def test_forward_and_backward(gpu, centred, shape, dtype):
    check_all(gpu, *problem(SHAPES[shape], dtype), dtype, centred, 2 if centred else 1)
    names = {"layer_norm": 2, "layer_norm_grad": 1, "layer_norm_grad_sums": 1}
    assert names.items() <= gpu.launches.items()
    assert not gpu.not_emulated


@pytest.mark.parametrize("given", [(True, False), (False, True), (False, False)], ids=["gamma", "beta", "neither"])
@pytest.mark.parametrize("shape", [(5, 24), (2, 4101)], ids=str)
def test_without_a_parameter(gpu, shape, given, dtype):
    x, g, *parameters = problem(shape, dtype)
    gamma, beta = (p if has else None for p, has in zip(parameters, given))
    for parameters in range(3):
        gpu.forget()
        check_all(gpu, x, g, gamma, beta, dtype, True, parameters)
        assert ("layer_norm_grad_sums" in gpu.launches) == (parameters > 0)


def test_a_far_mean_costs_no_digits(gpu, dtype):
    for shape in ((3, 512), (2, 4101)):
        x, g, gamma, beta = problem(shape, dtype, offset=100 if dtype.endswith("16") else 1e5)
        check_all(gpu, x, g, gamma, beta, dtype, True, 2)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_row_with_nan_or_infinity_is_nan_alone(gpu, value, dtype):
    for place in (0, 7, 511):
        x, _, gamma, beta = problem((3, 512), dtype)
        x[1, place] = value
        y = prim.layer_norm(*on(gpu, x, gamma, beta), epsilon=1e-3, centred=True)[0].get()
        np.testing.assert_array_equal(np.isnan(y.astype("float64")).all(1), [False, True, False])
        np.testing.assert_array_equal(np.isnan(y.astype("float64")).any(1), [False, True, False])


def test_views_and_out(gpu, dtype):
    whole = as_array(draw((6, 5, 9), dtype), target=gpu)
    room = as_array(np.zeros(4 * 5 * 8 + 1, DTYPES[dtype]), target=gpu)
    x, g = whole[:4, :, 1:], whole[2:, ::-1, :8]
    gamma, beta = (as_array(draw((18,), wide(dtype), seed), target=gpu)[1:17:2] for seed in (2, 3))
    options = {"epsilon": 1e-3, "centred": True}
    exact = [a.get() for a in (x, gamma, beta)]
    expected, kept = reference(prim.layer_norm, *exact, **options, residuals=True)
    for start in (0, 1):
        out = room[start : start + x.size].reshape(x.shape)
        y, residuals = prim.layer_norm(x, gamma, beta, **options, out=out, residuals=True)
        assert y is out
        check(out, expected, dtype, 4)
        dx = prim.layer_norm_grad(g, x, gamma, *residuals, centred=True, parameters=0, out=out)[0]
        assert dx is out
        exact_dx = reference(prim.layer_norm_grad, g.get(), *exact[:2], *kept, centred=True, parameters=0)[0]
        check(out, exact_dx, dtype, 30)
    assert not gpu.not_emulated


def test_the_rest_is_left_to_the_portable_implementation(gpu, dtype):
    x, g, gamma, beta = problem((5, 24), dtype)
    other = gamma.astype("float16")
    y, kept = prim.layer_norm(*on(gpu, x, other, None), epsilon=1e-3, centred=True, residuals=True)
    check(y, reference(prim.layer_norm, x, other, None, epsilon=1e-3, centred=True)[0], dtype, 4)
    found = prim.layer_norm_grad(*on(gpu, g, x, other), *kept, centred=True, parameters=2)
    assert [f.shape for f in found] == [(5, 24), (24,), (24,)]
    empty = as_array(x[:0], target=gpu)
    assert prim.layer_norm(empty, *on(gpu, gamma, beta), epsilon=1e-3, centred=True)[0].shape == (0, 24)
    assert not any(name.startswith("layer_norm") for name in gpu.launches)
