"""Choosing by indices, adding at indices, sorting, joining and padding."""
# kernels: move.cu scatter.cu sort.cu

import numpy as np
import pytest

from gpunet.backend.devices import as_array
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.primitives import shape as prim
from gpunet.backend.primitives.shape import ARRAY

RNG = np.random.default_rng(2)
ALL = slice(None)
# Shape, specification, and the shape of each index array with the size of the axis that it indexes.
INDICES = [
    ((9, 8), (ARRAY,), [((5,), 9)]),
    ((9, 7), (ARRAY,), [((5,), 9)]),
    ((9, 8), (ALL, ARRAY), [((13,), 8)]),
    ((6,), (ARRAY,), [((), 6)]),
    ((6, 5, 4, 3), (ALL, ARRAY), [((2, 3), 5)]),
    ((6, 5, 4, 3), (ALL, ARRAY, ARRAY), [((2, 3), 5), ((3,), 4)]),
    ((6, 5, 4, 3), (ARRAY, ALL, ARRAY), [((2, 3), 6), ((2, 1), 4)]),
    ((6, 5, 4, 3), (2, ARRAY), [((7,), 5)]),
    ((6, 5, 4, 3), (2, ALL, ARRAY), [((7,), 4)]),
    ((6, 5, 4, 3), (..., ARRAY), [((7,), 3)]),
    ((6, 5, 4, 3), (ARRAY, ..., 1), [((7,), 6)]),
    ((6, 5, 4, 3), (slice(4, 0, -2), None, ARRAY, slice(1, 3)), [((7,), 5)]),
    ((6, 5), (ARRAY, ..., ARRAY), [((7,), 6), ((7,), 5)]),
    ((3, 2, 3, 2, 3, 2), (ARRAY,), [((4,), 3)]),
    ((6, 5, 4), (ARRAY, ARRAY, ARRAY), [((7,), 6), ((7,), 5), ((2, 1), 4)]),
    ((6, 4, 5), (None, ALL, ..., ARRAY), [((7,), 5)]),
    ((6, 4, 12), (ALL, ARRAY, slice(4, 12)), [((3,), 4)]),
]


def shares_memory(x, y):
    return np.shares_memory(x.view(np.ndarray), y.view(np.ndarray))


def chosen(case, dtype="int32"):
    shape, spec, indices = case
    return shape, spec, [RNG.integers(-n, n, s).astype(dtype) for s, n in indices]


@pytest.mark.parametrize("case", range(len(INDICES)))
def test_gather_and_scatter(gpu, case):
    for dtype in ("int32", "int64"):
        shape, spec, indices = chosen(INDICES[case], dtype)
        a = RNG.standard_normal(shape)
        places = [as_array(i, target=gpu) for i in indices]
        expected = prim.getitem(a, *indices, spec=spec)
        found = prim.getitem(as_array(a, target=gpu), *places, spec=spec)
        np.testing.assert_array_equal(found.get(), expected)
        g = RNG.standard_normal(expected.shape)
        found = prim.scatter(as_array(g, target=gpu), *places, spec=spec, shape=shape)
        np.testing.assert_allclose(
            found.get(), prim.scatter(g, *indices, spec=spec, shape=shape), rtol=1e-12, atol=1e-12
        )
    assert not gpu.not_emulated


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32", "int64"])
def test_types_and_layouts(gpu, dtype):
    a = (RNG.standard_normal((12, 40)) * 9).astype(as_dtype(dtype))
    x = as_array(a, target=gpu)
    indices = RNG.integers(0, 12, (4, 6)).astype("int16")
    places = as_array(indices, target=gpu)
    np.testing.assert_array_equal(prim.getitem(x, places, spec=(ARRAY,)).get(), a[indices])
    np.testing.assert_array_equal(prim.getitem(x[:, 1:], places.T, spec=(ARRAY,)).get(), a[:, 1:][indices.T])
    np.testing.assert_array_equal(prim.getitem(x.T, places, spec=(ALL, ARRAY)).get(), a.T[:, indices])
    np.testing.assert_array_equal(prim.getitem(x[::-1, ::2], places, spec=(ARRAY,)).get(), a[::-1, ::2][indices])
    g = (RNG.standard_normal((40, 6, 4)) * 9).astype(as_dtype(dtype)).transpose(2, 1, 0)
    found = prim.scatter(as_array(g, target=gpu), places, spec=(ARRAY,), shape=a.shape)
    exact = g if "int" in dtype else g.astype("float64")
    expected = prim.scatter(exact, indices, spec=(ARRAY,), shape=a.shape)
    tolerance = {"float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}.get(dtype, 0)
    assert found.dtype == as_dtype(dtype)
    np.testing.assert_allclose(found.get().astype(expected.dtype), expected, rtol=tolerance, atol=9 * tolerance)
    assert not gpu.not_emulated


def test_indices_outside_wrap_around(gpu):
    x = as_array(np.arange(5), target=gpu)
    found = prim.getitem(x, as_array(np.array([-6, 5, 12, -11]), target=gpu), spec=(ARRAY,))
    assert found.get().tolist() == [4, 0, 2, 4]


@pytest.mark.parametrize("repeats", [1, 7, 300])
def test_many_rows_for_one_place(gpu, repeats):
    indices = np.concatenate([np.full(repeats, 3), [1, 4, 1], np.full(repeats, 3)])
    g = RNG.standard_normal((len(indices), 37)).astype("float32")
    arrays = as_array(g, target=gpu), as_array(indices, target=gpu)
    found = prim.scatter(*arrays, spec=(ARRAY,), shape=(6, 37))
    expected = prim.scatter(g.astype("float64"), indices, spec=(ARRAY,), shape=(6, 37))
    np.testing.assert_allclose(found.get(), expected, rtol=1e-5, atol=1e-5)
    again = prim.scatter(*arrays, spec=(ARRAY,), shape=(6, 37))
    assert again.get().tobytes() == found.get().tobytes()
    out = as_array(np.ones((6, 74), "float32"), target=gpu)[:, ::2]
    assert prim.scatter(*arrays, spec=(ARRAY,), shape=(6, 37), out=out) is out
    np.testing.assert_array_equal(out.get(), found.get())
    assert not gpu.not_emulated


def test_views_and_blocks(gpu):
    a = RNG.standard_normal((9, 8))
    x = as_array(a, target=gpu)
    assert shares_memory(prim.getitem(x, spec=(slice(1, 7, 2),)), x)
    g = as_array(a[:3], target=gpu)
    spec = (slice(8, 2, -2), ALL)
    found = prim.scatter(g, spec=spec, shape=(9, 8))
    np.testing.assert_array_equal(found.get(), prim.scatter(a[:3], spec=spec, shape=(9, 8)))
    found = prim.scatter(as_array(np.asarray(a[0, 0]), target=gpu), spec=(2, -1), shape=(9, 8))
    np.testing.assert_array_equal(found.get(), prim.scatter(np.asarray(a[0, 0]), spec=(2, -1), shape=(9, 8)))
    out = as_array(np.zeros((4, 8)), target=gpu)
    prim.getitem(x, as_array(np.arange(4), target=gpu), spec=(ARRAY,), out=out[::-1])
    np.testing.assert_array_equal(out.get(), a[3::-1])
    assert not gpu.not_emulated


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_along_an_axis(gpu, axis):
    shape = (3, 30, 4)
    indices = RNG.integers(0, shape[axis], [m if d == axis else n for d, (n, m) in enumerate(zip(shape, (7, 11, 9)))])
    a, g = RNG.standard_normal(shape), RNG.standard_normal(indices.shape)
    places = as_array(indices, target=gpu)
    found = prim.take_along_axis(as_array(a, target=gpu), places, axis=axis)
    np.testing.assert_array_equal(found.get(), np.take_along_axis(a, indices, axis))
    found = prim.put_along_axis(as_array(g, target=gpu), places, axis=axis, shape=shape)
    expected = prim.put_along_axis(g, indices, axis=axis, shape=shape)
    np.testing.assert_allclose(found.get(), expected, rtol=1e-12, atol=1e-12)
    turned = as_array(a.T.copy(), target=gpu).T
    narrow = np.broadcast_to(indices[:1], indices.shape).astype("int32") if axis else indices.astype("int32")
    found = prim.take_along_axis(turned, as_array(narrow, target=gpu), axis=axis)
    np.testing.assert_array_equal(found.get(), np.take_along_axis(a, narrow, axis))
    assert not gpu.not_emulated


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("size", [1, 2, 255, 257, 900])
def test_argsort_is_stable(gpu, size, dtype):
    a = np.round(RNG.standard_normal((3, size)) * size**0.5).astype(dtype)
    if "float" in dtype:
        a.reshape(-1)[::7] = np.nan
    for keys, axis in ((a, 1), (a.T, 0), (a.reshape(-1), 0)):
        found = prim.argsort(as_array(keys, target=gpu), axis=axis)
        assert found.dtype == "int32"
        np.testing.assert_array_equal(found.get(), np.argsort(keys, axis=axis, kind="stable"))
    assert not gpu.not_emulated


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool", "bfloat16"])
def test_one_hot(gpu, dtype):
    for kind in ("int32", "int64", "uint8"):
        labels = np.array([[0, 4, 5, 2], [3, 1, 200, 4]]).astype(kind)
        labels[0, 0] -= 0 if kind == "uint8" else 1
        found = prim.one_hot(as_array(labels, target=gpu), num_classes=5, dtype=as_dtype(dtype))
        assert found.dtype == as_dtype(dtype)
        np.testing.assert_array_equal(found.get().astype(bool), labels[..., None] == np.arange(5))
    assert not gpu.not_emulated


def test_joining_padding_and_reshaping(gpu):
    a, b = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 2))
    x, y = as_array(a, target=gpu), as_array(b, target=gpu)
    np.testing.assert_array_equal(prim.concatenate(x, y, x[:, :0], axis=1).get(), np.concatenate([a, b], 1))
    np.testing.assert_array_equal(prim.concatenate(x.T, y.T, axis=0).get(), np.concatenate([a.T, b.T]))
    found = prim.pad(x, pad_width=((1, 2), (0, 3)), value=2.5)
    np.testing.assert_array_equal(found.get(), np.pad(a, ((1, 2), (0, 3)), constant_values=2.5))
    np.testing.assert_array_equal(prim.pad(x[1, 2], pad_width=()).get(), a[1, 2])
    np.testing.assert_array_equal(prim.reshape(x.T, shape=(6, 2)).get(), a.T.reshape(6, 2))
    assert shares_memory(prim.reshape(x[:, :2], shape=(3, 1, 2)), x)
    assert shares_memory(prim.reshape(x, shape=(2, 6)), x)
    assert not gpu.not_emulated


def test_operands_without_a_kernel_take_the_portable_implementation(gpu):
    x = as_array(np.arange(6, dtype="int16"), target=gpu)
    none = as_array(np.zeros(0, int), target=gpu)
    assert prim.getitem(x, none, spec=(ARRAY,)).shape == (0,)
    assert prim.argsort(x, axis=0).get().tolist() == list(range(6))
    places = as_array(np.array([1, 1]), target=gpu)
    assert prim.scatter(x[4:], places, spec=(ARRAY,), shape=(3,)).get().tolist() == [0, 9, 0]
    with pytest.raises(IndexError, match="too many indices"):
        prim.getitem(x, places, places, spec=(ARRAY, ARRAY))
