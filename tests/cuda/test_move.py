"""Choosing, filling, copying and converting."""
# kernels: move.cu cast.cu map.cuh

import numpy as np
import pytest

from gpunet.backend.devices import as_array
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.primitives import elementwise as prim

RNG = np.random.default_rng(0)
DTYPES = """
    bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 bfloat16 float16 float32 float64
""".split()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float16", "bfloat16", "int32", "float64"])
def test_where(gpu, dtype):
    a, b = ((RNG.standard_normal((5, 9)) * 3).astype(as_dtype(dtype)) for _ in range(2))
    c = RNG.random((5, 9)) < 0.5
    x, y, condition = (as_array(v, target=gpu) for v in (a, b, c))
    one = as_dtype(dtype).type(1)
    number = True if dtype == "bool" else 1
    np.testing.assert_array_equal(prim.where(condition, x, y).get(), np.where(c, a, b))
    np.testing.assert_array_equal(prim.where(condition[:, :1], x, y[0]).get(), np.where(c[:, :1], a, b[0]))
    np.testing.assert_array_equal(prim.where(condition.T, x.T, number).get(), np.where(c.T, a.T, one))
    np.testing.assert_array_equal(prim.where(condition[1], number, y[1]).get(), np.where(c[1], one, b[1]))
    assert not gpu.not_emulated


def test_where_with_another_condition(gpu):
    a, c = RNG.standard_normal(11), np.arange(11, dtype="int32") % 3
    found = prim.where(as_array(c, target=gpu), as_array(a, target=gpu), -np.inf)
    np.testing.assert_array_equal(found.get(), np.where(c, a, -np.inf))
    assert gpu.launches == {"cast_bool": 1, "map_where": 1}
    assert not gpu.not_emulated


@pytest.mark.parametrize("dtype", ["bool", "float16", "bfloat16", "int32", "float64"])
@pytest.mark.parametrize("shape", [(), (1,), (1025,), (3, 70, 5)])
def test_fills(gpu, shape, dtype):
    x = as_array(np.zeros(shape).astype(as_dtype(dtype)), target=gpu)
    for primitive, number in ((prim.zeros_like, 0), (prim.ones_like, 1)):
        found = primitive(x).get()
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(found, np.full(shape, number).astype(x.dtype))
    out = as_array(np.zeros((*shape, 3)).astype(x.dtype), target=gpu)
    prim.ones_like(x, out=out[..., 1])
    np.testing.assert_array_equal(out.get().astype(float).sum(axis=-1), np.ones(shape))
    assert not gpu.not_emulated


@pytest.mark.parametrize("source", DTYPES)
def test_casts(gpu, source):
    a = np.array([0, 1, 2, 100, 1, 7, 0], as_dtype(source))
    if as_dtype(source).kind in "if":
        a[-1] = -3
    x = as_array(a, target=gpu)
    for name in DTYPES:
        if name.startswith("u") and a[-1] < 0:
            x, a = x[:-1], a[:-1]
        found, expected = prim.cast(x, dtype=as_dtype(name)).get(), a.astype(as_dtype(name))
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, name)
    assert not gpu.not_emulated


def test_casts_round_and_truncate(gpu):
    fine = 2.0 ** -np.arange(7, 12)
    others = [-1.5, 2.75, 70000.0, 1e-7, 6e-8, 3e38, np.nan, np.inf]
    a = np.concatenate([1 + fine, 1 + 3 * fine, others]).astype("float32")
    x = as_array(a, target=gpu)
    with np.errstate(all="ignore"):
        for name in ("float16", "bfloat16", "float64", "bool"):
            found, expected = prim.cast(x, dtype=as_dtype(name)).get(), a.astype(as_dtype(name))
            np.testing.assert_array_equal(found.astype("float64"), expected.astype("float64"), name)
        half = prim.cast(x, dtype=as_dtype("float16"))
        back = prim.cast(half, dtype=np.dtype("float32"))
        np.testing.assert_array_equal(back.get(), a.astype("float16").astype("float32"))
    np.testing.assert_array_equal(prim.cast(x[10:12], dtype=np.dtype("int32")).get(), [-1, 2])
    strided = as_array(np.arange(60.0).reshape(6, 10), target=gpu)
    found = prim.cast(strided.T[::3], dtype=np.dtype("int64"))
    np.testing.assert_array_equal(found.get(), np.arange(60).reshape(6, 10).T[::3])
    out = as_array(np.zeros((4, 12), "int64"), target=gpu)
    prim.cast(strided.T[::3], dtype=np.dtype("int64"), out=out[:, ::2])
    np.testing.assert_array_equal(out.get()[:, ::2], found.get())


VIEWS = {
    "transposed": lambda x: x.transpose(2, 0, 3, 1),
    "reversed": lambda x: x[:, ::-1, :, ::-2],
    "sliced": lambda x: x[1:, ::2, 3:4],
    "whole": lambda x: x,
    "scalar": lambda x: x[1, 2, 3, 4],
    "empty": lambda x: x[:, :0],
    "broadcast": lambda x: np.broadcast_to(x[:, :1], x.shape),
}


@pytest.mark.parametrize("dtype", ["bool", "float16", "int32", "float64"])
@pytest.mark.parametrize("view", VIEWS)
def test_copies(gpu, view, dtype):
    a = (RNG.standard_normal((3, 5, 7, 6)) * 9).astype(dtype)
    x = VIEWS[view](as_array(a, target=gpu))
    copy = prim.copy(x)
    assert copy.base is not x.base or not x.size
    np.testing.assert_array_equal(copy.get(), VIEWS[view](a))
    out = as_array(np.zeros((*x.shape, 2), dtype), target=gpu)[..., 1]
    prim.copy(x, out=out)
    np.testing.assert_array_equal(out.get(), VIEWS[view](a))
    if view != "empty":
        assert not gpu.not_emulated
