"""Convolution and its two adjoints against the portable implementation in float64."""

# kernels: conv.cu conv_weight.cu gather.cuh depthwise.cu
import numpy as np
import pytest

from gpunet.backend.cuda import conv as cuda_conv
from gpunet.backend.cuda.geometry import adjoint_axes
from gpunet.backend.cuda.tiles import TILES, VOLUME_TILES
from gpunet.backend.devices import as_array
from gpunet.backend.portable import conv as portable
from gpunet.backend.primitives import conv as prim

RNG = np.random.default_rng(1)
TOLERANCE = {"float32": 1e-5, "float64": 1e-13, "float16": 6e-4}  # that of float16 is half of a last place
IGEMM, DEPTHWISE = {"conv", "conv_weight", "reduce_splits"}, {"depthwise", "depthwise_input", "depthwise_weight"}


def normal(shape):
    """Numbers that float16 has, in float64."""
    return RNG.standard_normal(shape).astype("float16").astype("float64")


def check(result, expected):
    assert result.shape == expected.shape
    scale = max(1.0, abs(expected).max())
    np.testing.assert_allclose(result.get() / scale, expected / scale, rtol=0, atol=TOLERANCE[result.dtype.name])


def run(
    gpu, spatial, window, channels, columns, *, batch=2, strides=1, padding=0, dilation=1, groups=1, dtype="float32"
):
    """Forward with bias and ReLU and both adjoints; the names of the kernels that ran."""
    rank = len(spatial)
    strides, dilation = ((v,) * rank if isinstance(v, int) else v for v in (strides, dilation))
    padding = ((padding, padding),) * rank if isinstance(padding, int) else padding
    geometry = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    out = prim.conv_output_shape(spatial, window, strides, padding, dilation)
    x = normal((batch, *spatial, channels))
    w = normal((*window, channels // groups, columns))
    g = normal((batch, *out, columns))
    bias = normal(columns)
    on_gpu = [as_array(a.astype(dtype), target=gpu) for a in (x, w, g, bias)]
    gpu.forget()
    check(
        prim.conv(on_gpu[0], on_gpu[1], on_gpu[3], activation="relu", **geometry),
        portable.conv(np, x, w, bias, activation="relu", **geometry),
    )
    check(prim.conv(on_gpu[0], on_gpu[1], **geometry), portable.conv(np, x, w, **geometry))
    check(
        prim.conv_input_grad(on_gpu[2], on_gpu[1], spatial=spatial, **geometry),
        portable.conv_input_grad(np, g, w, spatial=spatial, **geometry),
    )
    check(
        prim.conv_weight_grad(on_gpu[0], on_gpu[2], window=window, **geometry),
        portable.conv_weight_grad(np, x, g, window=window, **geometry),
    )
    assert not gpu.not_emulated
    return set(gpu.launches)


CASES = {
    "size 1": {"spatial": (1, 1), "window": (1, 1), "channels": 1, "columns": 1, "strides": 2},
    "stem of 1": {"spatial": (13, 11), "window": (5, 5), "channels": 1, "columns": 6, "padding": 2},
    "stem of 3": {"spatial": (15, 14), "window": (7, 7), "channels": 3, "columns": 16, "strides": 2, "padding": 3},
    "residual": {
        "spatial": (9, 10),
        "window": (3, 3),
        "channels": 16,
        "columns": 32,
        "strides": 2,
        "padding": ((0, 1), (0, 1)),
    },
    "channels not of four": {"spatial": (6, 7), "window": (3, 2), "channels": 5, "columns": 7, "padding": 1},
    "stride above the window": {"spatial": (9, 11), "window": (2, 1), "channels": 4, "columns": 4, "strides": (3, 4)},
    "strided 1×1": {"spatial": (9, 8), "window": (1, 1), "channels": 8, "columns": 12, "strides": 2},
    "padding above the window": {
        "spatial": (3, 4),
        "window": (2, 2),
        "channels": 4,
        "columns": 8,
        "padding": ((3, 5), (4, 0)),
    },
    "cropped": {"spatial": (9, 8), "window": (3, 3), "channels": 4, "columns": 4, "padding": ((-1, -2), (2, -3))},
    "dilated": {"spatial": (12, 13), "window": (3, 3), "channels": 4, "columns": 8, "dilation": (2, 3), "padding": 2},
    "dilated and strided": {
        "spatial": (14, 15),
        "window": (3, 4),
        "channels": 4,
        "columns": 4,
        "strides": (4, 3),
        "dilation": (2, 3),
    },
    "groups": {"spatial": (6, 5), "window": (3, 3), "channels": 8, "columns": 24, "groups": 2, "padding": 1},
    "odd groups": {
        "spatial": (6, 5),
        "window": (3, 3),
        "channels": 9,
        "columns": 6,
        "groups": 3,
        "strides": 2,
        "padding": 1,
    },
    "one image": {"spatial": (8, 8), "window": (3, 3), "channels": 4, "columns": 4, "batch": 1},
    "line": {
        "spatial": (40,),
        "window": (5,),
        "channels": 8,
        "columns": 12,
        "strides": 2,
        "padding": ((4, 0),),
        "dilation": 2,
    },
    "volume": {
        "spatial": (5, 6, 4),
        "window": (2, 3, 2),
        "channels": 4,
        "columns": 8,
        "strides": (1, 2, 1),
        "padding": 1,
    },
    "odd volume": {
        "spatial": (4, 3, 5),
        "window": (2, 2, 3),
        "channels": 3,
        "columns": 5,
        "dilation": (2, 1, 1),
        "padding": 1,
    },
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("case", CASES)
def test_cases(gpu, case, dtype):
    launched = run(gpu, **CASES[case], dtype=dtype)
    assert {"conv", "conv_weight"} <= launched <= IGEMM


PLANES = {
    "groups of one": {"spatial": (7, 9), "window": (3, 3), "channels": 8, "columns": 8, "groups": 8, "padding": 1},
    "strided": {
        "spatial": (9, 8),
        "window": (3, 2),
        "channels": 12,
        "columns": 12,
        "groups": 12,
        "strides": (2, 3),
        "padding": 2,
    },
    "multiplied": {
        "spatial": (6, 7),
        "window": (3, 3),
        "channels": 3,
        "columns": 12,
        "groups": 3,
        "dilation": 2,
        "padding": 3,
    },
    "odd": {
        "spatial": (5, 6),
        "window": (2, 5),
        "channels": 33,
        "columns": 33,
        "groups": 33,
        "padding": ((0, 3), (1, 2)),
    },
    "cropped": {
        "spatial": (8, 8),
        "window": (2, 2),
        "channels": 4,
        "columns": 4,
        "groups": 4,
        "padding": ((-2, -1), (1, -2)),
    },
    "long": {"spatial": (700,), "window": (3,), "channels": 4, "columns": 4, "groups": 4, "batch": 4},
    "volume": {
        "spatial": (4, 5, 6),
        "window": (2, 3, 2),
        "channels": 4,
        "columns": 4,
        "groups": 4,
        "strides": (2, 1, 2),
        "padding": 1,
    },
    "odd volume": {"spatial": (3, 4, 3), "window": (2, 2, 2), "channels": 3, "columns": 6, "groups": 3},
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("case", PLANES)
def test_depthwise(gpu, case, dtype):
    launched = run(gpu, **PLANES[case], dtype=dtype)
    assert launched >= DEPTHWISE
    assert ("reduce_splits" in launched) == (case == "long" or dtype == "float16")  # sums are float32


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("spatial", [(5, 6), (7,), (2, 3, 4)])
def test_one_by_one_is_a_product(gpu, spatial, dtype):
    launched = run(gpu, spatial, (1,) * len(spatial), 8, 12, dtype=dtype)
    assert launched <= {"gemm", "reduce_splits"}


EVERY_TILE = [
    (rank, dtype.name, tile)
    for rank, table in ((2, TILES), (3, VOLUME_TILES))
    for dtype, shapes in table.items()
    for tile in shapes
]


def tile_name(value):
    return "x".join(map(str, value[:3])) + f"w{value.width_a}{value.width_b}" if isinstance(value, tuple) else value


@pytest.mark.parametrize(("rank", "dtype", "tile"), EVERY_TILE, ids=tile_name)
def test_every_tile(gpu, force, rank, dtype, tile):
    """More places than a tile has rows, more columns than it has, split and whole."""
    step = max(tile.width_a, tile.width_b)
    places = {2: (5, tile.m // 5 + 2), 3: (2, 4, tile.m // 8 + 2)}[rank]
    window = (2,) * (rank - 1) + (3,)
    for splits, channels, columns in ((1, 3 * tile.width_a, tile.n + step), (3, tile.k + step, 2 * step)):
        force(tile, splits)
        cuda_conv._gather_launch.cache_clear()
        cuda_conv._weight_launch.cache_clear()
        launched = run(gpu, places, window, channels, columns, batch=1, padding=1, dtype=dtype)
        assert ("reduce_splits" in launched) == (splits > 1)


def test_random_geometries(gpu):
    rng = np.random.default_rng(7)
    for _ in range(25):
        rank, groups = int(rng.integers(1, 4)), int(rng.choice([1, 1, 2, 3, 8]))
        per_group = [int(rng.choice([1, 2, 3, 4, 8])) for _ in range(2)]
        spatial, window, strides, dilation = (
            tuple(map(int, rng.integers(1, high, rank))) for high in ((30, 12, 6)[rank - 1], 4, 5, 4)
        )
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, window)]
        padding = tuple((int(lo), max(0, r - n - int(lo)) + int(hi))
                        for n, r, (lo, hi) in zip(spatial, reach, rng.integers(0, 4, (rank, 2))))  # fmt: skip
        run(
            gpu,
            spatial,
            window,
            per_group[0] * groups,
            per_group[1] * groups,
            batch=int(rng.integers(1, 4)),
            strides=strides,
            padding=padding,
            dilation=dilation,
            groups=groups,
            dtype=str(rng.choice(["float32", "float64"])),
        )


GEOMETRY = {"strides": (1, 2), "padding": ((1, 1), (0, 1)), "dilation": (1, 1)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [3, 4])
@np.errstate(invalid="ignore")  # of NumPy's products, whose lanes past the end meet infinities
def test_infinities_stay_infinite_and_in_their_windows(gpu, channels, dtype):
    """What a tile holds beyond the operands is 0 times 0: an infinity times 0 would be a NaN."""
    geometry = {"strides": (1, 2), "padding": ((1, 1), (0, 2)), "dilation": (1, 1)}
    x, w = RNG.random((2, 5, 6, channels)) + 0.5, RNG.random((3, 3, channels, 4)) + 0.5
    g = RNG.random((2, 5, 3, 4)) + 0.5
    x[1, 2, 3, 0] = g[0, 1, 1, 2] = np.inf
    on_gpu = [as_array(a.astype(dtype), target=gpu) for a in (x, w, g)]
    finite = as_array(np.ones(g.shape, dtype), target=gpu)
    for found, expected in (
        (prim.conv(*on_gpu[:2], **geometry), portable.conv(np, x, w, **geometry)),
        (
            prim.conv_input_grad(on_gpu[2], on_gpu[1], spatial=(5, 6), **geometry),
            portable.conv_input_grad(np, g, w, spatial=(5, 6), **geometry),
        ),
        (
            prim.conv_weight_grad(on_gpu[0], finite, window=(3, 3), **geometry),
            portable.conv_weight_grad(np, x, np.ones(g.shape), window=(3, 3), **geometry),
        ),
    ):
        assert 0 < np.isinf(expected).sum() < expected.size
        np.testing.assert_allclose(found.get(), expected, rtol=1e-5)
    assert not gpu.not_emulated


def test_views_and_out(gpu):
    x, w = normal((2, 9, 8, 6)), normal((3, 2, 4, 8))
    channels_first = as_array(np.ascontiguousarray(x.transpose(0, 3, 1, 2)), target=gpu).transpose(0, 2, 3, 1)
    kernel = as_array(np.ascontiguousarray(w.swapaxes(0, 3)), target=gpu).swapaxes(0, 3)
    bias = as_array(np.arange(16.0), target=gpu)[::2]
    gpu.forget()
    expected = portable.conv(np, x[..., 1:5], w, np.arange(0, 16.0, 2), **GEOMETRY)
    check(prim.conv(channels_first[..., 1:5], kernel, bias, **GEOMETRY), expected)
    out = as_array(np.zeros((*expected.shape[:-1], 9)), target=gpu)[..., 1:]
    assert prim.conv(channels_first[..., 1:5], kernel, bias, out=out, **GEOMETRY) is out
    check(out, expected)
    g = as_array(np.repeat(expected, 2, axis=-1), target=gpu)[..., ::2]
    dx = as_array(np.zeros((2, 9, 8, 5)), target=gpu)[..., :4]
    prim.conv_input_grad(g, kernel, spatial=(9, 8), out=dx, **GEOMETRY)
    check(dx, portable.conv_input_grad(np, expected, w, spatial=(9, 8), **GEOMETRY))
    dw = as_array(np.zeros(w.T.shape), target=gpu).T
    prim.conv_weight_grad(channels_first[..., 1:5], g, window=(3, 2), out=dw, **GEOMETRY)
    check(dw, portable.conv_weight_grad(np, x[..., 1:5], expected, window=(3, 2), **GEOMETRY))
    assert not gpu.not_emulated


def test_what_is_left_to_cupy(gpu):
    """Nothing to compute, integers, four spatial axes: by portable functions, whose products may be ours."""
    x, w = as_array(np.ones((2, 5, 6, 4)), target=gpu), as_array(np.ones((3, 2, 4, 8)), target=gpu)
    assert prim.conv(x[:0], w, **GEOMETRY).shape == (0, 5, 3, 8)
    assert prim.conv(x, w, strides=(1, 1), padding=((0, 0), (0, 0)), dilation=(3, 1)).shape == (2, 0, 5, 8)
    dw = prim.conv_weight_grad(x[:0], as_array(np.ones((0, 5, 3, 8)), target=gpu), window=(3, 2), **GEOMETRY)
    np.testing.assert_array_equal(dw.get(), np.zeros((3, 2, 4, 8)))
    whole = as_array(np.ones((2, 5, 6, 4), "int32"), target=gpu)
    assert prim.conv(whole, as_array(np.ones((3, 2, 4, 8), "int32"), target=gpu), **GEOMETRY).dtype == np.int32
    four = as_array(np.ones((1, 2, 2, 2, 2, 3)), target=gpu)
    geometry = {"strides": (1,) * 4, "padding": ((0, 0),) * 4, "dilation": (1,) * 4}
    assert prim.conv(four, as_array(np.ones((2, 2, 2, 2, 3, 5)), target=gpu), **geometry).get().max() == 48
    assert not any("conv" in name for name in gpu.launches)


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("dilation", [1, 2, 3, 4])
def test_phases_cover_every_pair_once(stride, dilation):
    """Of place in the input, tap and place in the output: what the adjoint gathers is what convolution reads."""
    size, window, low, out = 11, 4, 2, 5
    pairs = {
        (p * stride + r * dilation - low, r, p)
        for p in range(out)
        for r in range(window)
        if 0 <= p * stride + r * dilation - low < size
    }
    found = [
        (axis.first + i * axis.step, axis.first_tap + t * axis.tap_stride, p)
        for axis in adjoint_axes(size, window, stride, low, dilation, out)
        for i in range(axis.places)
        for t in range(axis.taps)
        if 0 <= (p := i * axis.place_step + axis.place_first + t * axis.tap_step) < out
    ]
    assert len(found) == len(set(found))
    assert set(found) == pairs
    places = [
        a.first + i * a.step for a in adjoint_axes(size, window, stride, low, dilation, out) for i in range(a.places)
    ]
    assert sorted(places) == list(range(size))
