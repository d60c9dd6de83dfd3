"""The oneDNN provider against the portable implementation in float64."""

import numpy as np
import pytest

from gpunet import config
from gpunet.backend.onednn import conv, library, onednn, shares
from gpunet.backend.onednn.memory import channels_last, same_layout
from gpunet.backend.onednn.plan import DIFF_DST, DIFF_SRC, DST, SRC, cached
from gpunet.backend.portable import portable
from gpunet.backend.primitives import conv as conv_prim
from gpunet.backend.primitives import matmul as matmul_prim
from gpunet.backend.primitives import pooling as pool_prim

from .problems import assert_close, conv_shape, draw_conv, draw_pool, exact, floats

pytestmark = pytest.mark.skipif(not library.is_usable(), reason=f"no oneDNN: {library.absence()}")


_PLAIN = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)  # strides, padding, dilation, groups


def run(primitive, *arrays, **attributes):
    """oneDNN's result; it must not have declined."""
    result = onednn.implementations[primitive.name](*arrays, **attributes)
    assert result is not NotImplemented
    return result


def declines(primitive, *arrays, **attributes):
    return onednn.implementations[primitive.name](*arrays, **attributes) is NotImplemented


def check(primitive, *arrays, **attributes):
    """The result, new and in `out`, contiguous and not."""
    expected = exact(primitive, *arrays, **attributes)
    assert_close(run(primitive, *arrays, **attributes), expected)
    for out in (np.empty(expected.shape, "float32"), np.empty(expected.shape[::-1], "float32").T):
        assert run(primitive, *arrays, out=out, **attributes) is out
        assert_close(out, expected)


def shuffled(x):
    """The same array with other strides."""
    return np.ascontiguousarray(x.swapaxes(0, -1)).swapaxes(0, -1)


@pytest.mark.parametrize("seed", range(40))
def test_conv_and_its_gradients(seed):
    x, w, b, geometry = draw_conv(seed)
    g = floats(np.random.default_rng(seed), *conv_shape(x, w, geometry))
    spread = shuffled if seed % 4 == 0 else np.asarray
    check(
        conv_prim.conv,
        spread(x),
        spread(w),
        b if seed % 2 else None,
        activation="relu" * (seed % 3 == 0) or None,
        **geometry,
    )
    check(conv_prim.conv_input_grad, spread(g), w, spatial=x.shape[1:-1], **geometry)
    check(conv_prim.conv_weight_grad, spread(x), g, window=w.shape[:-2], **geometry)


@pytest.mark.parametrize(("channels", "filters"), [(6, 16), (16, 16), (64, 64)])
def test_images_stay_channels_last_in_the_fastest_loops(channels, filters):
    """LeNet-5's second convolution, whose input gradient takes twice as long in the loops for many channels."""
    cached("a stream for this thread", lambda: None)
    geometry = conv.Geometry((8, 14, 14, channels), (5, 5, channels, filters), (8, 10, 10, filters), *_PLAIN)
    x, y = channels_last(geometry.x).value, channels_last(geometry.y).value
    forward, backward = conv.forward_description(geometry, True, True), conv.input_grad_description(geometry)
    for description, codes in ((forward, (SRC, DST)), (backward, (DIFF_SRC, DIFF_DST))):
        assert [same_layout(description.layout(c), image) for c, image in zip(codes, (x, y))] == [True, True]
    for description, few in ((forward, channels == 6), (backward, channels < 64)):
        assert not description.is_reference
        if "avx512" in description.implementation:
            assert description.implementation.startswith("jit:") == few


@pytest.mark.parametrize("seed", range(40))
def test_pooling(seed):
    x, geometry = draw_pool(seed)
    y, (winner,) = portable.bind(pool_prim.max_pool, np)(x, residuals=True, **geometry)
    result, residuals = run(pool_prim.max_pool, x, residuals=True, **geometry)
    np.testing.assert_array_equal(result, y)
    np.testing.assert_array_equal(residuals[0], winner)  # any provider can run the backward of any other's forward
    assert run(pool_prim.max_pool, x, **geometry)[1] == ()
    g = floats(np.random.default_rng(seed), *y.shape)
    if not declines(pool_prim.max_pool_grad, g, winner, spatial=x.shape[1:-1], **geometry):
        check(pool_prim.max_pool_grad, g, winner, spatial=x.shape[1:-1], **geometry)
    for count_padding in (False, True):
        check(pool_prim.avg_pool, x, count_padding=count_padding, **geometry)
        check(pool_prim.avg_pool_grad, g, spatial=x.shape[1:-1], count_padding=count_padding, **geometry)


MATMULS = {
    "square": ((64, 64), (64, 64)),
    "tails": ((67, 129), (129, 71)),
    "row": ((1, 640), (640, 640)),
    "column": ((640, 640), (640, 1)),
    "rows of a batch": ((3, 50, 64), (64, 70)),
    "batches": ((5, 40, 64), (5, 64, 40)),
    "broadcast batches": ((3, 1, 50, 64), (5, 64, 40)),
    "matrix times batch": ((50, 64), (5, 64, 40)),
    "deep": ((2, 20000), (20000, 5)),
}


@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)], ids=str)
@pytest.mark.parametrize("shapes", MATMULS.values(), ids=MATMULS)
def test_matmul(shapes, transposed):
    rng = np.random.default_rng(0)
    a, b = (floats(rng, *s) for s in shapes)
    flags = dict(zip(("transpose_a", "transpose_b"), transposed))
    stored = [np.ascontiguousarray(x.swapaxes(-1, -2)) if t else x for x, t in zip((a, b), transposed)]
    check(matmul_prim.matmul, *stored, **flags)
    check(matmul_prim.matmul, *map(shuffled, stored), **flags)


def test_matmul_of_views_that_no_descriptor_can_say():
    rng = np.random.default_rng(0)
    a, b = floats(rng, 160, 160), floats(rng, 80, 70)
    check(matmul_prim.matmul, a[::2, ::2], b)
    check(matmul_prim.matmul, a[::-1, 80:], b)
    check(matmul_prim.matmul, np.broadcast_to(a[0], (300, 160)), a)
    overlapping = np.lib.stride_tricks.sliding_window_view(a.reshape(-1), 80)[:400]
    check(matmul_prim.matmul, overlapping, b)


@pytest.fixture(params=[1, 2, 3, 4])
def threads(request):
    before = config.threads()
    config.set_threads(request.param)
    yield request.param
    config.set_threads(before)


@pytest.mark.parametrize("shape", [(16, 384, 96), (4, 5, 384, 96), (20, 385, 96), (200, 384, 96)], ids=str)
def test_a_weight_in_shares_of_its_rows(shape, threads):
    """Where each thread has its own rows of the weight; not for rows that cannot be dealt out, nor many samples."""
    *rows, k, n = shape
    rng = np.random.default_rng(0)
    x, w, b, g = floats(rng, *rows, k), floats(rng, k, n), floats(rng, n), floats(rng, *rows, n)
    flat, flat_g = x.reshape(-1, k), g.reshape(-1, n)
    dealt = threads > 1 and k % threads == 0
    found = [shares.product(*pair) for pair in ((flat, w), (flat_g, w.T), (flat.T, flat_g))]
    few = 3 * threads * len(flat) <= 2 * k
    assert [s is not None and s.addends for s in found] == [dealt and few and threads, dealt and few and 1, dealt and 1]
    for bias in (b, None):
        for activation in ("relu", None):
            check(matmul_prim.linear, x, w, bias, activation=activation)
    check(matmul_prim.matmul, flat_g, w, transpose_b=True)
    check(matmul_prim.linear_weight_grad, x, g)


def test_nan_passes_the_relu_of_a_product_in_shares():
    x, w = np.ones((16, 1024), "float32"), np.ones((1024, 64), "float32")
    x[3, 5], w[:, 7] = np.nan, -1
    y = run(matmul_prim.linear, x, w, None, activation="relu")
    assert np.isnan(y[3]).all()
    assert (y[:3, 7] == 0).all()
    assert (y[:3, :7] == 1024).all()


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("rows", [(300,), (7, 50), (3000,)], ids=str)
def test_linear(rows, activation):
    rng = np.random.default_rng(0)
    x, w, b = floats(rng, *rows, 37), floats(rng, 37, 65), floats(rng, 65)
    for bias in (b, None):
        check(matmul_prim.linear, x, w, bias, activation=activation)
    check(matmul_prim.linear, x, w.T.copy().T, b[::-1], activation=activation)
    check(matmul_prim.linear_weight_grad, x, floats(rng, *rows, 65))


def test_nan_and_infinity_pass_as_in_the_portable_implementation():
    rng = np.random.default_rng(0)
    x, w, b = floats(rng, 2, 9, 9, 8), floats(rng, 3, 3, 8, 8), floats(rng, 8)
    geometry = {"strides": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "activation": "relu"}
    windows = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}
    for value in (np.nan, -np.inf):
        x[0, 4, 4, 3] = value
        np.testing.assert_array_equal(
            np.isnan(run(conv_prim.conv, x, w, b, **geometry)), np.isnan(exact(conv_prim.conv, x, w, b, **geometry))
        )
        assert declines(pool_prim.max_pool, x, **windows)
    x[0, 4, 4, 3], w[:, :, 3] = np.inf, 0  # whose product is NaN
    assert np.isnan(run(conv_prim.conv, x, w, b, **geometry)).sum() == 9 * 8
    rows = floats(rng, 5000, 64)
    rows[3, 3] = np.nan
    y = run(matmul_prim.linear, rows, floats(rng, 64, 16), None, activation="relu")
    assert np.isnan(y[3]).all()
    assert not np.isnan(y[4:]).any()


def test_what_it_leaves_to_the_next_provider():
    x, w, b, geometry = draw_conv(1)
    windows = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}
    assert declines(conv_prim.conv, x.astype("float64"), w.astype("float64"), None, **geometry)
    assert declines(conv_prim.conv, x[:0], w, b, **geometry)
    assert declines(conv_prim.conv, x, w, b, **{**geometry, "padding": ((-1, 1),) * (x.ndim - 2)})
    assert declines(matmul_prim.matmul, np.ones((500, 500)), np.ones((500, 500)))
    assert declines(matmul_prim.matmul, np.ones((2, 2), "float32"), np.ones((2, 2), "float32"))
    assert declines(pool_prim.max_pool, np.ones((1, 4, 4, 1), "int32"), **windows)
    x = np.ones((1, 8, 8, 1), "float32")
    assert declines(pool_prim.max_pool, x, **{**windows, "padding": ((2, 0), (0, 0))})


def test_two_runs_give_equal_bits():
    x, w, b, geometry = draw_conv(3)
    g = floats(np.random.default_rng(0), *conv_shape(x, w, geometry))
    for primitive, arrays, more in (
        (conv_prim.conv, (x, w, b), {}),
        (conv_prim.conv_input_grad, (g, w), {"spatial": x.shape[1:-1]}),
        (conv_prim.conv_weight_grad, (x, g), {"window": w.shape[:-2]}),
    ):
        first, second = (run(primitive, *arrays, **geometry, **more) for _ in range(2))
        np.testing.assert_array_equal(first, second)
