"""Matrix products against NumPy in float64: every tile, every layout, tails, splits, broadcasting."""

# kernels: gemm.cu igemm.cuh reduce_splits.cu
import numpy as np
import pytest

from gpunet import ops
from gpunet.backend.cuda import tiles
from gpunet.backend.cuda.gemm import product
from gpunet.backend.cuda.tiles import TILES
from gpunet.backend.devices import as_array
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.portable import portable
from gpunet.backend.primitives import matmul as prim
from gpunet.backend.primitives.conv import conv
from gpunet.testing import emulated_gpu

RNG = np.random.default_rng(0)
EVERY_TILE = [(dtype, tile) for dtype, shapes in TILES.items() for tile in shapes]
TOLERANCE = {"float32": 2e-5, "float64": 1e-12, "float16": 6e-4}  # that of float16 is half of a last place


def windows(rank):
    return {"strides": (1,) * rank, "padding": ((0, 0),) * rank, "dilation": (1,) * rank}


def normal(shape):
    """Numbers that float16 has, in float64."""
    return RNG.standard_normal(shape).astype("float16").astype("float64")


def tile_name(value):
    return (
        value.name
        if isinstance(value, np.dtype)
        else "x".join(map(str, value[:3])) + f"w{value.width_a}{value.width_b}"
    )


def upload(gpu, *arrays, dtype="float32"):
    return [None if a is None else as_array(a.astype(dtype), target=gpu) for a in arrays]


def check(result, expected):
    assert result.shape == expected.shape
    tolerance = TOLERANCE[result.dtype.name] * max(1.0, abs(expected).max(initial=0))
    np.testing.assert_allclose(result.get(), expected, rtol=0, atol=tolerance)


@pytest.fixture
def force(monkeypatch):
    """A function that makes one tile and number of parts the choice for every product."""

    def choose_always(tile, splits=1):
        def choose(shapes, wide, rows, columns, depth, batch, can_split):
            assert wide[0] or tile.width_a == 1
            assert wide[1] or tile.width_b == 1
            return tiles.cut(tile, rows, columns, depth, batch, splits)

        monkeypatch.setattr(tiles, "choose", choose)

    return choose_always


@pytest.mark.parametrize("splits", [1, 3])
@pytest.mark.parametrize(("dtype", "tile"), EVERY_TILE, ids=tile_name)
def test_every_tile_in_every_layout(gpu, force, dtype, tile, splits):
    force(tile, splits)
    step = tile.width_b
    rows, columns, depth = tile.m + step, tile.n - step, 2 * tile.k * splits + step
    a, b = normal((rows, depth)), normal((depth, columns))
    a_t, b_t = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    x, w, x_t, w_t = upload(gpu, a, b, a_t, b_t, dtype=dtype)
    gpu.forget()
    check(prim.matmul(x, w), a @ b)
    check(prim.matmul(x_t, w, transpose_a=True), a @ b)
    check(prim.matmul(x, w_t, transpose_b=True), a @ b)
    check(prim.matmul(x_t, w_t, transpose_a=True, transpose_b=True), a @ b)
    assert gpu.launches == ({"gemm": 4} if splits == 1 else {"gemm": 4, "reduce_splits": 4})
    assert not gpu.not_emulated


@pytest.mark.parametrize("splits", [1, 2])
@pytest.mark.parametrize(("dtype", "tile"), [EVERY_TILE[0], EVERY_TILE[6], EVERY_TILE[-1]], ids=tile_name)
def test_bias_and_relu(gpu, force, dtype, tile, splits):
    force(tile, splits)
    step = tile.width_b
    a, b = normal((3, 5 * step)), normal((5 * step, 2 * step))
    bias = normal(2 * step)
    x, w, c = upload(gpu, a, b, bias, dtype=dtype)
    check(product(x, w, c, "relu"), np.maximum(a @ b + bias, 0))
    check(product(x, w, c), a @ b + bias)
    check(product(x, w, None, "relu"), np.maximum(a @ b, 0))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(
    ("rows", "depth", "columns"),
    [(1, 1, 1), (1, 4, 4), (4, 1, 4), (4, 4, 1), (7, 3, 5), (64, 17, 64), (63, 64, 65), (33, 8, 31), (8, 1000, 12)],
)
def test_sizes(gpu, rows, depth, columns, dtype):
    a, b = normal((2, rows, depth)), normal((depth, columns))
    bias = normal(columns)
    x, w, c = upload(gpu, a, b, bias, dtype=dtype)
    check(prim.matmul(x, w), a @ b)
    check(prim.linear(x, w, c, activation="relu"), np.maximum(a @ b + bias, 0))
    check(prim.linear(x[:, ::2], w, None), a[:, ::2] @ b)
    gradient = normal((2, rows, columns))
    (g,) = upload(gpu, gradient, dtype=dtype)
    check(prim.linear_weight_grad(x, g), np.einsum("bik,bij->kj", a, gradient))
    assert not gpu.not_emulated


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 1, 5, 6), (4, 6, 2)),
        ((2, 3, 4, 5), (5, 4)),
        ((4, 5), (2, 3, 5, 4)),
        ((1, 4, 8), (3, 8, 4)),
        ((2, 1, 2, 1, 2, 3), (1, 2, 1, 2, 3, 2)),  # four axes that do not merge
        ((2, 1, 2, 1, 2, 2, 3), (1, 2, 1, 2, 1, 3, 2)),  # five axes that do not merge
    ],
)
def test_batches_broadcast(gpu, left, right):
    a, b = normal(left), normal(right)
    x, w = upload(gpu, a, b, dtype="float64")
    check(prim.matmul(x, w), a @ b)
    check(prim.matmul(x, w.swapaxes(-1, -2), transpose_b=True), a @ b)
    assert gpu.not_emulated.total() == 0


def test_more_products_than_a_grid_axis_has_blocks():
    with emulated_gpu(check_races=False) as gpu:
        a, b = normal((66000, 1, 2)), normal((2, 1))
        x, w = upload(gpu, a, b)
        check(prim.matmul(x, w), a @ b)


def test_views(gpu):
    a, b = normal((3, 24, 32)), normal((32, 20))
    x, w = upload(gpu, a, b)
    for rows in (np.s_[:], np.s_[::2], np.s_[::-1], np.s_[1:], np.s_[5:6]):
        for inner in (np.s_[:], np.s_[:8], np.s_[1:9], np.s_[::4], np.s_[3:4]):
            check(prim.matmul(x[:, rows, inner], w[inner]), a[:, rows, inner] @ b[inner])
            check(prim.matmul(x[:, rows, inner], w[inner, 4:8]), a[:, rows, inner] @ b[inner, 4:8])
    assert not gpu.not_emulated


def test_out(gpu):
    a, b, bias = normal((6, 8)), normal((8, 4)), normal(4)
    x, w, c = upload(gpu, a, b, bias)
    storage = as_array(np.zeros((6, 9), "float32"), target=gpu)
    for out in (storage.reshape(-1)[:24].reshape(6, 4), storage.reshape(-1)[1:25].reshape(6, 4), storage[:, 2:6]):
        for result in (prim.matmul(x, w, out=out), prim.linear(x, w, None, out=out)):
            assert result is out
            check(out, a @ b)
        check(prim.linear(x, w, c, activation="relu", out=out), np.maximum(a @ b + bias, 0))
    assert not gpu.not_emulated
    with pytest.raises(ValueError, match=r"out must be of shape \(6, 4\)"):
        prim.matmul(x, w, out=storage)


def test_nan_is_not_hidden_by_relu(gpu):
    x, w = upload(gpu, np.array([[np.nan, 1.0]]), np.ones((2, 3)))
    assert np.isnan(prim.linear(x, w, None, activation="relu").get()).all()


@pytest.mark.parametrize("equation", ["aecd,abcd->acbe", "acbe,aecd->abcd"])
def test_the_products_of_attention_are_one_launch_each(gpu, equation):
    sizes = dict(zip("abcde", (2, 6, 3, 4, 5)))
    operands = [normal([sizes[c] for c in term]) for term in equation.split("->")[0].split(",")]
    found = ops.einsum(equation, *upload(gpu, *operands))
    np.testing.assert_allclose(found.get(), np.einsum(equation, *operands), rtol=2e-5, atol=2e-5)
    assert gpu.launches == {"gemm": 1}


def test_what_is_left_to_cupy(gpu):
    x, w = upload(gpu, np.ones((2, 3)), np.ones((3, 4)))
    assert prim.matmul(x[:0], w).shape == (0, 4)
    np.testing.assert_array_equal(prim.matmul(x[:, :0], w[:0]).get(), np.zeros((2, 4)))
    np.testing.assert_array_equal(prim.matmul(*upload(gpu, np.eye(2), np.eye(2), dtype="int32")).get(), np.eye(2))
    assert not gpu.launches
    with pytest.raises(ValueError, match="matmul"):
        prim.matmul(x, x)


def test_the_choice_of_tiles():
    large, small = TILES[np.dtype("float32")][0], TILES[np.dtype("float32")][4]
    shapes = TILES[np.dtype("float32")]
    assert tiles.choose(shapes, (True, True), 8192, 4096, 512, 1, True).tile == large
    assert tiles.choose(shapes, (True, True), 16, 16, 64, 1, True) == tiles.cut(small, 16, 16, 64, 1, 1)
    stem = tiles.choose(shapes, (False, True), 100_000, 64, 147, 1, True).tile
    assert (stem.width_a, stem.width_b) == (1, 4)
    deep = tiles.choose(shapes, (True, True), 64, 64, 100_000, 1, True)
    assert deep.splits > 16
    assert deep.depth * deep.splits >= 100_000 > deep.depth * (deep.splits - 1)
    assert deep.depth % deep.tile.k == 0
    assert tiles.choose(shapes, (True, True), 64, 64, 100_000, 1, False).splits == 1
    assert tiles.choose(shapes, (False, False), 8192, 4096, 512, 1, True).tile.width_b == 1


LEFT_TO_PORTABLE = {
    "no rows": (prim.matmul, "float32", [(0, 3), (3, 2)], {}),
    "no depth": (prim.matmul, "float64", [(4, 0), (0, 3)], {}),
    "empty batch": (prim.matmul, "float16", [(2, 0, 3), (3, 2)], {}),
    "bfloat16": (prim.matmul, "bfloat16", [(4, 3), (3, 2)], {"transpose_b": False}),
    "bfloat16 rows": (prim.linear, "bfloat16", [(4, 3), (3, 2), (2,)], {"activation": "relu"}),
    "empty rows": (prim.linear, "float32", [(0, 3), (3, 2), (2,)], {}),
    "four axes": (conv, "float32", [(1, 3, 2, 3, 2, 2), (2, 1, 2, 1, 2, 3)], windows(4)),
    "bfloat16 convolution": (conv, "bfloat16", [(2, 5, 5, 3), (3, 3, 3, 2)], windows(2)),
    "integers": (prim.matmul, "int8", [(2, 4, 3), (3, 2)], {}),
    "bools": (prim.matmul, "bool", [(4, 3), (3, 2)], {}),
    "no images": (conv, "float32", [(0, 5, 5, 3), (3, 3, 3, 2)], windows(2)),
}


@pytest.mark.parametrize("case", LEFT_TO_PORTABLE)
def test_products_without_a_kernel_do_not_take_cublas(gpu, case):
    primitive, dtype, shapes, attributes = LEFT_TO_PORTABLE[case]
    arrays = [normal(shape).astype(as_dtype(dtype)) for shape in shapes]
    gpu.forget()
    found = primitive(*(as_array(a, target=gpu) for a in arrays), **attributes)
    expected = portable.bind(primitive, np)(*arrays, **attributes)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(
        found.get().astype("float64"), expected.astype("float64"), rtol=1e-2 if dtype == "bfloat16" else 1e-5, atol=1e-5
    )
    assert "matmul" not in gpu.not_emulated
