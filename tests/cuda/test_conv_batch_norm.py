"""Batch normalisation of a convolution whose kernel leaves the sums of which the statistics are made."""

# kernels: conv.cu moments.cuh
import numpy as np
import pytest

import gpunet
from gpunet import ops
from gpunet.backend.cuda import conv as cuda_conv
from gpunet.backend.cuda.tiles import TILES, VOLUME_TILES
from gpunet.backend.devices import as_array
from gpunet.backend.primitives import nn as prim

RNG = np.random.default_rng(2)
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
IN_ONE = {"conv", "batch_norm_finish", "batch_norm_apply"}
PRODUCT = {"gemm", "batch_norm_finish", "batch_norm_apply"}
CASES = {
    "one tile": ((1, 3, 4, 4), (3, 3, 4, 8), 1, 1),
    "residual": ((3, 13, 12, 16), (3, 3, 16, 36), 1, 2),
    "stem of 3": ((2, 17, 16, 3), (7, 7, 3, 64), 3, 2),
    "channels not of four": ((2, 11, 9, 5), (2, 3, 5, 7), 1, 1),
    "one channel": ((2, 20, 19, 1), (3, 3, 1, 1), 0, 1),
    "1×1": ((2, 9, 11, 8), (1, 1, 8, 12), 0, 1),
    "groups": ((2, 9, 8, 8), (3, 3, 4, 12), 1, 1),
    "odd groups": ((2, 9, 8, 9), (3, 3, 3, 6), 1, 1),
    "line": ((4, 90, 4), (5, 4, 12), 2, 1),
    "volume": ((2, 5, 6, 4, 4), (2, 3, 2, 4, 8), 1, 1),
}


def geometry(x, w, padding=0, strides=1):
    rank = x.ndim - 2
    same = {"strides": (strides,) * rank, "padding": ((padding, padding),) * rank, "dilation": (1,) * rank}
    return {**same, "groups": x.shape[-1] // w.shape[-2], "epsilon": 1e-3}


def draw(shape, dtype):
    return RNG.standard_normal(shape).astype(dtype)


def on(gpu, *arrays):
    return [None if a is None else as_array(a, target=gpu) for a in arrays]


def check(gpu, arrays, **attributes):
    """Results and residuals against the portable implementation in float64; the kernels that ran."""
    gpu.forget()
    found, kept = prim.conv_batch_norm(*on(gpu, *arrays), **attributes, residuals=True)
    launched = set(gpu.launches)
    wide = [None if a is None else a.astype("float64") for a in arrays]
    expected, _ = prim.conv_batch_norm(*wide, **attributes)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == arrays[0].dtype
        np.testing.assert_allclose(a.get(), b, rtol=0, atol=TOLERANCE[a.dtype.name] * (1 + np.abs(b).max()))
    assert len(kept) == 3 + attributes["relu"]
    assert not gpu.not_emulated
    return launched


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_cases(gpu, case, dtype, relu):
    x_shape, w_shape, padding, strides = CASES[case]
    x, w = draw(x_shape, dtype), draw(w_shape, dtype)
    attributes = geometry(x, w, padding, strides)
    bias, gamma, beta = draw((3, w.shape[-1]), dtype)
    launched = PRODUCT if case == "1×1" else IN_ONE
    assert check(gpu, (x, w, bias, gamma, beta, None), **attributes, relu=relu) == launched
    y = prim.conv_batch_norm.infer(x, w, None, None, None, None, **attributes, relu=relu)[0]
    addend = draw(y.shape, dtype) if relu else None
    assert check(gpu, (x, w, None, None, None, addend), **attributes, relu=relu) == launched


EVERY_TILE = [
    (rank, dtype.name, tile)
    for rank, table in ((2, TILES), (3, VOLUME_TILES))
    for dtype, shapes in table.items()
    for tile in shapes
    if dtype.name != "float16"
]


@pytest.mark.parametrize(("rank", "dtype", "tile"), EVERY_TILE)
def test_every_tile(gpu, force, rank, dtype, tile):
    """More places than a tile has rows, more columns than it has, split and whole."""
    step = max(tile.width_a, tile.width_b)
    places = {2: (5, tile.m // 5 + 2), 3: (2, 4, tile.m // 8 + 2)}[rank]
    for splits, channels, columns in ((1, tile.width_a, tile.n + step), (3, tile.k + step, step)):
        force(tile, splits)
        cuda_conv._gather_launch.cache_clear()
        x, w = draw((1, *places, channels), dtype), draw((*(2,) * (rank - 1), 3, channels, columns), dtype)
        launched = check(gpu, (x, w, None, None, None, None), **geometry(x, w, 1), relu=False)
        assert (launched == IN_ONE) == (splits == 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_variance_of_numbers_far_from_zero(gpu, dtype):
    """The mean is 10⁴ times the deviation, and the first place far from all others."""
    x = (100 + 0.01 * draw((2, 40, 41, 1), "float64")).astype(dtype)
    x[0, 0, 0] = -300
    w = np.ones((1, 1, 1, 4), dtype)
    bias = np.array([0, 1, 0, 100], dtype)
    (_, mean, variance), _ = prim.conv_batch_norm(*on(gpu, x, w, bias), None, None, None, **geometry(x, w), relu=False)
    wide = x.astype("float64").reshape(-1, 1) + bias.astype("float64")
    np.testing.assert_allclose(mean.get(), wide.mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance.get(), wide.var(0), rtol=1e-4 if dtype == "float32" else 1e-10)
    flat = np.full_like(x, 1000)
    flat[..., 1:, :] += 0.25
    (_, _, variance), _ = prim.conv_batch_norm(*on(gpu, flat, w), None, None, None, None, **geometry(x, w), relu=False)
    np.testing.assert_allclose(variance.get(), flat.astype("float64").var(), rtol=1e-4)


@pytest.mark.parametrize("case", ["residual", "1×1", "depthwise"])
def test_a_large_bias_costs_no_digits(gpu, case):
    """It cancels in the normalisation, and only the mean that is returned has it."""
    shapes = {**CASES, "depthwise": ((2, 9, 8, 8), (3, 3, 1, 8), 1, 1)}
    x_shape, w_shape, padding, strides = shapes[case]
    x, w = draw(x_shape, "float32"), draw(w_shape, "float32")
    bias = np.linspace(-1e6, 1e6, w.shape[-1], dtype="float32")
    check(gpu, (x, w, bias, None, None, None), **geometry(x, w, padding, strides), relu=False)


@pytest.mark.parametrize("far", [0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("window", [1, 3])
def test_variance_is_that_of_the_rounded_convolution(gpu, window, far):
    """Deviations of 1 around a mean however far."""
    x = (far + draw((3, 33, 34, 4), "float64")).astype("float32")
    w = np.zeros((window, window, 4, 8), "float32")
    w[window // 2, window // 2] = np.eye(4, 8, dtype="float32")
    x_on, w_on = on(gpu, x, w)
    (_, mean, variance), _ = prim.conv_batch_norm(x_on, w_on, *[None] * 4, **geometry(x, w), relu=False)
    edge = window // 2
    wide = x[:, edge : 33 - edge, edge : 34 - edge].reshape(-1, 4).astype("float64")
    np.testing.assert_allclose(mean.get()[:4], wide.mean(0), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(variance.get()[:4], wide.var(0), rtol=1e-6)
    np.testing.assert_array_equal(variance.get()[4:], 0)


def test_nan_stays_in_its_channel_and_zero_rows_do_not_count(gpu):
    x, w = draw((1, 5, 7, 4), "float32"), draw((1, 1, 4, 8), "float32")
    w[..., 3] = np.nan
    (y, mean, variance), _ = prim.conv_batch_norm(*on(gpu, x, w), None, None, None, None, **geometry(x, w), relu=True)
    for array in (y.get(), mean.get(), variance.get()):
        bad = np.isnan(array.reshape(-1, 8)).all(0)
        np.testing.assert_array_equal(bad, np.arange(8) == 3)


def test_depthwise_convolutions_have_a_pass_for_the_statistics(gpu):
    x, w = draw((2, 9, 8, 8), "float32"), draw((3, 3, 1, 8), "float32")
    launched = check(gpu, (x, w, None, None, None, None), **geometry(x, w), relu=True)
    assert launched == {"depthwise", "batch_norm_moments", "batch_norm_finish", "batch_norm_apply"}


def test_what_has_no_kernel_is_left_to_the_portable_implementation(gpu):
    x, w = draw((2, 5, 5, 2, 2, 2, 2), "float32"), draw((2, 2, 1, 1, 1, 2, 4), "float32")
    attributes = geometry(x, w)
    found, _ = prim.conv_batch_norm(*on(gpu, x, w), None, None, None, None, **attributes, relu=False)
    expected, _ = prim.conv_batch_norm(x, w, None, None, None, None, **attributes, relu=False)
    np.testing.assert_allclose(found[0].get(), expected[0], rtol=1e-4, atol=1e-4)


def test_results_are_the_same_in_every_run(gpu):
    x, w = on(gpu, draw((3, 20, 21, 8), "float32"), draw((3, 3, 8, 12), "float32"))
    runs = [prim.conv_batch_norm(x, w, None, None, None, None, **geometry(x, w), relu=False)[0] for _ in range(2)]
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a.get(), b.get())


def test_gradients_are_those_of_the_two_ops(gpu):
    arrays = [draw(s, "float64") for s in ((2, 6, 5, 4), (3, 3, 4, 8), (8,), (8,), (8,), (2, 4, 3, 8))]
    variables = [gpunet.Variable(a) for a in arrays]
    x, w, bias, gamma, beta, addend = variables

    def joined():
        return ops.conv_batch_norm_training(x, w, gamma, beta, bias=bias, addend=addend, activation="relu")

    def single():
        return ops.batch_norm_relu_training(ops.conv(x, w, bias=bias), gamma, beta, addend)

    found = []
    for function in (joined, single):
        with gpunet.GradientTape() as tape:
            y, _, _ = function()
            loss = ops.sum(ops.square(y))
        found.append(tape.gradient(loss, variables))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": np.ones(3)}, "expected gamma of shape"),
        ({"addend": np.ones((1, 2, 2, 2)), "activation": "relu"}, "addend must have the shape of x"),
        ({"addend": np.ones((1, 2, 2, 4))}, '"relu" where there is an addend'),
        ({"activation": "tanh"}, "activation must be None"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ops.conv_batch_norm_training(np.ones((1, 4, 4, 2)), np.ones((3, 3, 2, 4)), **options)
