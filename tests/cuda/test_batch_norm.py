"""Batch normalisation and scale_shift against the portable implementation."""
# kernels: batch_norm.cu

import numpy as np
import pytest

import gpunet
from gpunet import ops
from gpunet.backend.devices import as_array
from gpunet.backend.portable import portable
from gpunet.backend.primitives import nn as prim

EPSILON = 1e-3
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
# One and several splits of the rows, one and several blocks of columns, vectors and single channels, and their tails.
SHAPES = {
    "one element": (1, 1),
    "one row": (1, 12),
    "one channel": (2300, 1),
    "two rows": (2, 3),
    "few channels": (2, 23, 27, 3),
    "one vector": (5, 31, 29, 4),
    "odd channels": (3, 11, 13, 35),
    "a block of rows and one": (257, 32),
    "many channels": (3, 2, 3, 264),
    "tail of columns": (130, 44),
    "more splits than a finishing block has rows": (2200, 128),
}

pytestmark = pytest.mark.parametrize("dtype", ["float32", "float64"])


def draw(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def reference(primitive, *arrays, **attributes):
    """By the portable implementation, on the host and in float64."""
    arrays = [None if a is None else a.astype("float64") for a in arrays]
    return portable.bind(primitive, np)(*arrays, **attributes)


def check(found, expected, dtype, scale=1.0):
    assert found.dtype == dtype
    assert found.shape == expected.shape
    tolerance = TOLERANCE[dtype] * scale
    np.testing.assert_allclose(found.get(), expected, rtol=tolerance, atol=tolerance)


def operands(shape, dtype):
    x = draw(shape, dtype) * 2 + draw(shape[-1:], dtype, 1)
    return x, draw(shape[-1:], dtype, 2), draw(shape[-1:], dtype, 3)


def on(gpu, *arrays):
    return [None if a is None else as_array(a, target=gpu) for a in arrays]


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm(gpu, shape, affine, dtype):
    x, gamma, beta = operands(SHAPES[shape], dtype)
    gamma, beta = (gamma, beta) if affine else (None, None)
    found, residuals = prim.batch_norm(*on(gpu, x, gamma, beta), epsilon=EPSILON, residuals=True)
    expected, expected_residuals = reference(prim.batch_norm, x, gamma, beta, epsilon=EPSILON, residuals=True)
    for a, b in zip((*found, *residuals), (*expected, *expected_residuals), strict=True):
        check(a, b, dtype, 20)
    g = draw(x.shape, dtype, 4)
    arrays = on(gpu, g, x, gamma)
    gradients = prim.batch_norm_grad(*arrays, *residuals, epsilon=EPSILON)
    expected = reference(prim.batch_norm_grad, g, x, gamma, *expected_residuals, epsilon=EPSILON)
    for a, b, name in zip(gradients, expected, ("dx", "dgamma", "dbeta"), strict=True):
        check(a, b, dtype, 20 if name == "dx" else 20 * np.sqrt(x.size / x.shape[-1]))
    assert not gpu.not_emulated


@pytest.mark.parametrize("parameters", [True, False])
@pytest.mark.parametrize("has_addend", [True, False])
@pytest.mark.parametrize("shape", ["few channels", "tail of columns", "one vector", "one element"])
def test_batch_norm_then_addition_and_relu(gpu, shape, has_addend, parameters, dtype):
    x, gamma, beta = operands(SHAPES[shape], dtype)
    gamma, beta = (gamma, beta) if parameters else (None, None)
    addend = draw(x.shape, dtype, 5) if has_addend else None
    arrays = on(gpu, x, gamma, beta, addend)
    found, residuals = prim.batch_norm_relu(*arrays, epsilon=EPSILON, residuals=True)
    expected, expected_residuals = reference(
        prim.batch_norm_relu, x, gamma, beta, addend, epsilon=EPSILON, residuals=True
    )
    for a, b in zip((*found, *residuals), (*expected, *expected_residuals), strict=True):
        check(a, b, dtype, 20)
    g = draw(x.shape, dtype, 6)
    options = {"epsilon": EPSILON, "with_addend": has_addend}
    arrays = on(gpu, g, x, gamma)
    gradients = prim.batch_norm_relu_grad(*arrays, *residuals, **options)
    y = found[0].get()
    expected = reference(prim.batch_norm_relu_grad, g, x, gamma, *expected_residuals[:2], y, **options)
    for a, b in zip(gradients, expected, strict=True):
        check(a, b, dtype, 20 * (1 if a.shape == x.shape else np.sqrt(x.size / x.shape[-1])))
    if has_addend:
        np.testing.assert_array_equal(gradients[3].get(), g * (y > 0))
    assert not gpu.not_emulated


def test_forward_and_backward_of_the_op_are_six_launches(gpu, dtype):
    x, gamma, beta, addend = (gpunet.Variable(a) for a in (*operands((6, 4), dtype), draw((6, 4), dtype)))
    gpu.forget()
    with gpunet.GradientTape() as tape:
        y, _, _ = ops.batch_norm_relu_training(x, gamma, beta, addend)
    gradients = tape.gradient(y, [x, gamma, beta, addend], output_gradients=[y])
    assert [g.shape for g in gradients] == [(6, 4), (4,), (4,), (6, 4)]
    steps = ("moments", "finish", "apply", "grad_sums", "grad_finish", "grad_apply")
    assert gpu.launches == {f"batch_norm_{step}": 1 for step in steps}
    assert not gpu.not_emulated


def test_an_addend_of_another_shape_is_refused(dtype):
    with pytest.raises(ValueError, match=r"addend must have the shape of x. Received: addend.shape=\(1, 3\)"):
        ops.batch_norm_relu_training(np.ones((2, 3), dtype), addend=np.ones((1, 3), dtype))


def test_variance_of_numbers_far_from_zero(gpu, dtype):
    """A first row far off, and a mean 10⁵ times the deviation: neither sums of squares nor a shift by x[0] survive."""
    x = (1000 + 0.01 * draw((3000, 2), "float64")).astype(dtype)
    x[0] = -3000
    x[:, 1] = (1000 + 0.01 * draw(3000, "float64")).astype(dtype)
    (_, mean, variance), _ = prim.batch_norm(as_array(x, target=gpu), None, None, epsilon=EPSILON)
    wide = x.astype("float64")
    np.testing.assert_allclose(mean.get(), wide.mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance.get(), wide.var(0), rtol=2e-3 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize("far", [0, 1e2, 1e4, 1e6])
def test_variance_is_that_of_the_rounded_numbers(gpu, dtype, far):
    x = (far + draw((5000, 3), "float64")).astype(dtype)
    (_, mean, variance), _ = prim.batch_norm(as_array(x, target=gpu), None, None, epsilon=EPSILON)
    wide = x.astype("float64")
    np.testing.assert_allclose(mean.get(), wide.mean(0), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(variance.get(), wide.var(0), rtol=1e-6)


def test_nan_stays_in_its_channel(gpu, dtype):
    x, gamma, beta = operands((40, 8), dtype)
    x[17, 3] = np.nan
    (y, mean, variance), _ = prim.batch_norm(*on(gpu, x, gamma, beta), epsilon=EPSILON)
    for array in (y.get(), mean.get(), variance.get()):
        bad = np.isnan(np.atleast_2d(array)).all(0)
        np.testing.assert_array_equal(bad, np.arange(8) == 3)
    relu_of_nan, _ = prim.batch_norm_relu(*on(gpu, x, gamma, beta, None), epsilon=EPSILON)
    assert np.isnan(relu_of_nan[0].get()[:, 3]).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_scale_shift(gpu, shape, dtype):
    x, scale, shift = operands(SHAPES[shape], dtype)
    y = prim.scale_shift(*on(gpu, x, scale, shift))
    check(y, reference(prim.scale_shift, x, scale, shift), dtype)
    assert gpu.launches == {"batch_norm_apply": 1}
    assert not gpu.not_emulated


def test_views_and_out(gpu, dtype):
    whole = draw((4, 8, 5, 7), dtype)
    x = as_array(whole, target=gpu).transpose(0, 2, 3, 1)  # channels first
    host = x.get()
    parameters = draw((3, 16), dtype)[:, 3:11]  # not aligned
    gamma, beta, _ = as_array(parameters, target=gpu)
    room = as_array(np.zeros(x.size + 1, dtype), target=gpu)
    for start in (0, 1):
        out = room[start : start + x.size].reshape(x.shape)
        (y, *_), residuals = prim.batch_norm(x, gamma, beta, epsilon=EPSILON, out=out, residuals=True)
        assert y is out
        expected, expected_residuals = reference(
            prim.batch_norm, host, parameters[0], parameters[1], epsilon=EPSILON, residuals=True
        )
        check(out, expected[0], dtype, 20)
        g = np.broadcast_to(draw((4, 1, 1, 8), dtype, 2), x.shape)
        raised = np.broadcast_to(as_array(g[:, :1, :1], target=gpu), x.shape)
        dx, *_ = prim.batch_norm_grad(raised, x, gamma, *residuals, epsilon=EPSILON, out=out)
        assert dx is out
        expected = reference(prim.batch_norm_grad, g, host, parameters[0], *expected_residuals, epsilon=EPSILON)
        check(out, expected[0], dtype, 20)
        assert prim.scale_shift(x, gamma, beta, out=out) is out
        check(out, reference(prim.scale_shift, host, *parameters[:2]), dtype)
    assert not gpu.not_emulated


@pytest.mark.parametrize("has_addend", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_scale_shift_addition_and_relu(gpu, shape, has_addend, dtype):
    x, scale, shift = operands(SHAPES[shape], dtype)
    addend = draw(x.shape, dtype, 5) if has_addend else None
    y = prim.scale_shift_relu(*on(gpu, x, scale, shift, addend))
    check(y, reference(prim.scale_shift_relu, x, scale, shift, addend), dtype)
    assert gpu.launches == {"batch_norm_apply": 1}
    assert not gpu.not_emulated


def test_what_has_no_kernel_is_left_to_the_portable_implementation(gpu, dtype):
    x, gamma, beta = on(gpu, *operands((3, 4), dtype))
    assert prim.scale_shift(x[:0], gamma, beta).shape == (0, 4)
    half = x.astype("float16")
    np.testing.assert_array_equal(
        prim.scale_shift(half, half[0], half[0]).get(), half.get() * half.get()[0] + half.get()[0]
    )
    np.testing.assert_array_equal(prim.scale_shift(x, x, x).get(), x.get() * x.get() + x.get())
    assert not gpu.launches
