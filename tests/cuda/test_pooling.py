"""Pooling: windows of one to three axes, forward and backward, against the portable implementation."""
# kernels: pooling.cu

import numpy as np
import pytest

from gpunet.backend.devices import as_array
from gpunet.backend.portable import portable
from gpunet.backend.primitives import pooling as prim

# x.shape, window, strides, padding
GEOMETRIES = {
    "one element": ((1, 1, 1), (1,), (1,), ((0, 0),)),
    "1-D": ((2, 9, 5), (3,), (2,), ((1, 0),)),
    "2-D": ((2, 6, 8, 8), (2, 2), (2, 2), ((0, 0), (0, 0))),
    "overlapping": ((1, 7, 6, 4), (3, 2), (1, 1), ((1, 2), (0, 1))),
    "stride above window": ((2, 11, 8, 3), (2, 1), (4, 3), ((0, 0), (1, 1))),
    "padding above window": ((1, 4, 3, 8), (2, 2), (1, 2), ((3, 0), (2, 5))),
    "cropped": ((1, 9, 7, 2), (2, 3), (2, 1), ((-2, -1), (-1, 2))),
    "3-D": ((2, 5, 6, 4, 8), (2, 3, 2), (2, 1, 3), ((0, 1), (1, 1), (2, 0))),
    "whole": ((3, 4, 5, 16), (4, 5), (1, 1), ((0, 0), (0, 0))),
    "large window": ((2, 18, 20, 4), (17, 16), (1, 4), ((1, 0), (0, 3))),
    "more than the grid": ((2, 96, 96, 3), (2, 2), (1, 2), ((0, 1), (0, 0))),
}
BEST = {"max": prim.max_pool, "min": prim.min_pool}
POOLS = {name: (forward, prim.max_pool_grad) for name, forward in BEST.items()} | {
    "avg": (prim.avg_pool, prim.avg_pool_grad)
}
TOLERANCE = {"float64": 1e-14, "float32": 2e-6, "float16": 2e-3}

pytestmark = pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])


def draw(shape, dtype="float64"):
    """Few different numbers, so that windows have ties."""
    return (np.random.default_rng(0).integers(-4, 5, shape) / 4 + 0.125).astype(dtype)


def reference(primitive, *arrays, **attributes):
    """By the portable implementation, on the host and in float64."""
    arrays = [a.astype("float64") if a.dtype.kind == "f" else a for a in arrays]
    return portable.bind(primitive, np)(*arrays, **attributes)


def check(found, expected, dtype):
    assert found.dtype == dtype
    np.testing.assert_allclose(found.get(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("pool", BEST)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_best_pool(gpu, geometry, dtype, pool):
    forward = BEST[pool]
    shape, window, strides, padding = GEOMETRIES[geometry]
    attributes = {"window": window, "strides": strides, "padding": padding}
    x = draw(shape, dtype)
    y, (winner,) = forward(as_array(x, target=gpu), **attributes, residuals=True)
    expected, (expected_winner,) = reference(forward, x, **attributes, residuals=True)
    np.testing.assert_array_equal(y.get(), expected)
    np.testing.assert_array_equal(winner.get(), expected_winner)
    assert (y.dtype, winner.dtype) == (dtype, expected_winner.dtype)
    alone, nothing = forward(as_array(x, target=gpu), **attributes)
    np.testing.assert_array_equal(alone.get(), expected)
    assert nothing == ()
    g = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    dx = prim.max_pool_grad(as_array(g, target=gpu), winner, spatial=shape[1:-1], **attributes)
    check(dx, reference(prim.max_pool_grad, g, expected_winner, spatial=shape[1:-1], **attributes), dtype)
    assert not gpu.not_emulated


@pytest.mark.parametrize("count_padding", [False, True])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_average_pool(gpu, geometry, dtype, count_padding):
    shape, window, strides, padding = GEOMETRIES[geometry]
    attributes = {"window": window, "strides": strides, "padding": padding, "count_padding": count_padding}
    x = draw(shape, dtype)
    y = prim.avg_pool(as_array(x, target=gpu), **attributes)
    check(y, reference(prim.avg_pool, x, **attributes), dtype)
    g = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    dx = prim.avg_pool_grad(as_array(g, target=gpu), spatial=shape[1:-1], **attributes)
    check(dx, reference(prim.avg_pool_grad, g, spatial=shape[1:-1], **attributes), dtype)
    assert not gpu.not_emulated


# Views of an array of shape (2, 8, 6, 16), and how many of them fill a 16-byte vector.
VIEWS = {
    "channels first": lambda x: x.transpose(0, 3, 1, 2),
    "every other row": lambda x: x[:, ::2],
    "reversed": lambda x: x[:, ::-1, ::-1],
    "some channels": lambda x: x[..., :8],
    "unaligned channels": lambda x: x[..., 1:9],
    "every other channel": lambda x: x[..., ::2],
    "broadcast": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "odd row stride": lambda x: x.reshape(2, -1)[:, :765].reshape(2, 5, 9, 17)[..., :16],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("pool", POOLS)
def test_operands_of_any_strides(gpu, view, pool, dtype):
    whole = as_array(draw((2, 8, 6, 16), dtype), target=gpu)
    attributes = {"window": (2, 2), "strides": (1, 2), "padding": ((1, 0), (0, 1))}
    x = VIEWS[view](whole)
    forward, backward = POOLS[pool]
    y = forward(x, **attributes)
    expected = reference(forward, x.get(), **attributes)
    check(y[0] if pool in BEST else y, expected[0] if pool in BEST else expected, dtype)

    spatial = x.shape[1], 2 * x.shape[2] - 1  # what pools to x's shape
    rest = ()
    if pool in BEST:
        before = draw((2, *spatial, x.shape[-1]))
        rest = reference(forward, before, **attributes, residuals=True)[1]
    dx = backward(x, *(as_array(r, target=gpu) for r in rest), spatial=spatial, **attributes)
    check(dx, reference(backward, x.get(), *rest, spatial=spatial, **attributes), dtype)
    assert not gpu.not_emulated


def test_infinities_and_nan(gpu, dtype):
    attributes = {"window": (2,), "strides": (2,), "padding": ((1, 1),)}
    x = np.array([-np.inf, -np.inf, -np.inf, np.nan, 1, 2, np.nan, np.inf, np.nan, np.nan, 0, np.nan], dtype)
    x = np.concatenate([x, [-np.inf, -1]]).astype(dtype).reshape(1, -1, 1).repeat(8, axis=2)
    for forward, values in ((prim.max_pool, x), (prim.min_pool, -x)):
        y, (winner,) = forward(as_array(values, target=gpu), **attributes, residuals=True)
        expected, (expected_winner,) = reference(forward, values, **attributes, residuals=True)
        np.testing.assert_array_equal(y.get(), expected)
        np.testing.assert_array_equal(winner.get(), expected_winner)
    check(prim.avg_pool(as_array(x, target=gpu), **attributes), reference(prim.avg_pool, x, **attributes), dtype)
    assert not gpu.not_emulated


@pytest.mark.parametrize("pool", POOLS)
def test_out(gpu, pool, dtype):
    x = draw((1, 4, 4, 8), dtype)
    attributes = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}
    room = as_array(np.zeros(33, dtype), target=gpu)
    for start in (0, 1):  # the second is not aligned
        out = room[start : start + 32].reshape(1, 2, 2, 8)
        y = POOLS[pool][0](as_array(x, target=gpu), **attributes, out=out)
        y = y[0] if pool in BEST else y
        assert y is out
        expected = reference(POOLS[pool][0], x, **attributes)
        check(out, expected[0] if pool in BEST else expected, dtype)
    assert not gpu.not_emulated


def test_what_has_no_kernel_is_left_to_the_portable_implementation(gpu, dtype):
    x = as_array(draw((1, 3, 3, 2), dtype), target=gpu)
    attributes = {"window": (2, 2), "strides": (1, 1), "padding": ((0, 0), (0, 0))}
    assert prim.max_pool(x[:0], **attributes)[0].shape == (0, 2, 2, 2)
    assert prim.avg_pool(x[:, :1], **attributes).shape == (1, 0, 2, 2)
    assert prim.avg_pool_grad(x[:0], spatial=(4, 4), **attributes).shape == (0, 4, 4, 2)
    integers = as_array(np.arange(8).reshape(1, 2, 2, 2), target=gpu)
    np.testing.assert_array_equal(prim.max_pool(integers, **attributes)[0].get(), [[[[6, 7]]]])
    four = {"window": (1, 1, 1, 2), "strides": (1,) * 4, "padding": ((0, 0),) * 4}
    y, _ = prim.max_pool(x.reshape(1, 1, 1, 3, 3, 2), **four)
    check(y, reference(prim.max_pool, x.get().reshape(1, 1, 1, 3, 3, 2), **four)[0], dtype)
    assert not gpu.launches.keys() - {"strided_copy"}
