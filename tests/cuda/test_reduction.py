"""Reductions over any axes of any layout, and scans."""
# kernels: reduction.cu scan.cu

import numpy as np
import pytest

from gpunet.backend.devices import as_array
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.primitives import reduction as prim

TOLERANCE = {"float32": 2e-6, "float64": 1e-13, "float16": 1e-3, "bfloat16": 8e-3}
DTYPES = (*TOLERANCE, "int32", "int64", "uint8", "bool")


def numbers(shape, dtype="float64"):
    random = np.random.default_rng(1)
    if dtype == "bool":
        return random.random(shape) < 0.7
    if "int" in dtype:
        return random.integers(0 if dtype == "uint8" else -9, 10, shape).astype(dtype)
    return random.standard_normal(shape).astype(as_dtype(dtype))


def check(found, expected, dtype, size=1):
    found = found.get()
    assert found.shape == expected.shape
    assert found.dtype == as_dtype(dtype)
    if dtype in TOLERANCE:
        bound = TOLERANCE[dtype] * size**0.5
        np.testing.assert_allclose(found.astype("float64"), expected.astype("float64"), rtol=bound, atol=bound)
    else:
        np.testing.assert_array_equal(found, expected)


def wide(a):
    return a if a.dtype.kind in "iub" else a.astype("float64")


SHAPES = [
    ((1,), (0,)),
    ((3, 1), (1,)),
    ((37,), None),
    ((5, 7, 3), (0,)),
    ((5, 7, 3), (1,)),
    ((5, 7, 3), (2,)),
    ((5, 7, 3), (0, 2)),
    ((2, 3, 4, 5), (1, 3)),
    ((2, 3, 4, 5), (0, 2)),
    ((70, 33), (0,)),
    ((33, 70), (1,)),
    ((3, 1030), (1,)),
    ((6, 5), ()),
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions(gpu, dtype):
    for shape, axis in SHAPES:
        a = numbers(shape, dtype)
        x = as_array(a, target=gpu)
        names = ["sum", "amax", "amin", "prod"]
        names += ["mean"] if dtype in TOLERANCE else []
        names += ["any", "all"] if dtype == "bool" else []
        for name in names:
            primitive = getattr(prim, name)
            expected = primitive(wide(a), axis=axis)
            check(primitive(x, axis=axis), expected, dtype, a.size // expected.size)
    assert not gpu.not_emulated
    assert "reduce_sum" in gpu.launches


LAYOUTS = {
    "transposed": (lambda x: x.transpose(2, 0, 1), (0,)),
    "transposed, others": (lambda x: x.transpose(2, 0, 1), (1, 2)),
    "reversed": (lambda x: x[::-2, :, ::-1], (1,)),
    "part": (lambda x: x[1:, 2:9, 3:], (0, 2)),
    "not aligned": (lambda x: x.reshape(-1)[1:], None),
    "broadcast": (lambda x: np.broadcast_to(x[:, :1], x.shape), (1,)),
    "broadcast, kept": (lambda x: np.broadcast_to(x[:1], x.shape), (2,)),
    "scalar": (lambda x: x[1, 2, 3], None),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_layouts(gpu, layout, keepdims):
    view, axis = LAYOUTS[layout]
    a = numbers((6, 10, 17))
    x = view(as_array(a, target=gpu))
    for name in ("sum", "amax", "mean"):
        primitive = getattr(prim, name)
        expected = primitive(np.asarray(view(a)), axis=axis, keepdims=keepdims)
        check(primitive(x, axis=axis, keepdims=keepdims), expected, "float64", 99)
    assert not gpu.not_emulated


LONG = [
    ((9000,), None),
    ((2, 8500), (1,)),
    ((1100, 5), (0,)),
    ((520, 33), (0,)),
    ((3, 700, 4), (0, 1)),
    ((2, 1100, 3), (1,)),
]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
def test_long_reductions_are_split_and_joined_in_order(gpu, dtype):
    for shape, axis in LONG:
        a = numbers(shape, dtype)
        a = a + a.dtype.type(1)
        x = as_array(a, target=gpu)
        for name in ("sum", "amax") + (("mean",) if dtype != "int32" else ()):
            gpu.forget()
            primitive = getattr(prim, name)
            found = primitive(x, axis=axis)
            assert gpu.launches == {f"reduce_{name}": 2}
            check(found, primitive(wide(a), axis=axis), dtype, a.size)
            assert found.get().tobytes() == primitive(x, axis=axis).get().tobytes()
        near_one = (1 + a.astype("float64") / 1e4).astype(a.dtype) if dtype == "float32" else np.abs(a) % 2
        found = prim.prod(as_array(near_one, target=gpu), axis=axis)
        check(found, prim.prod(wide(near_one), axis=axis), dtype, a.size)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8", "bool"])
def test_places_of_extremes(gpu, dtype):
    for shape, axis in (
        ((7,), 0),
        ((1, 4), 0),
        ((5, 7, 3), 1),
        ((4, 300), 1),
        ((300, 4), 0),
        ((3, 40, 5), 2),
        ((40, 70), 0),
    ):
        a = numbers(shape, dtype)
        if dtype != "bool" and "float" in dtype:
            a = np.round(a)  # with ties
        x = as_array(a, target=gpu)
        for name in ("argmax", "argmin"):
            for keepdims in (False, True):
                primitive = getattr(prim, name)
                check(primitive(x, axis=axis, keepdims=keepdims), primitive(a, axis=axis, keepdims=keepdims), "int32")
    view = x.T[::-1]
    check(prim.argmax(view, axis=0), np.argmax(a.T[::-1], axis=0), "int32")
    assert not gpu.not_emulated


@pytest.mark.parametrize("dtype", ["float64", "int32"])
def test_places_of_extremes_of_long_axes(gpu, dtype):
    for shape, axis in (((9000,), 0), ((2100, 3), 0), ((2, 800, 5), 1)):
        a = np.round(numbers(shape, dtype))
        x = as_array(a, target=gpu)
        gpu.forget()
        check(prim.argmax(x, axis=axis), np.argmax(a, axis=axis), "int32")
        assert gpu.launches == {"reduce_argmax": 2}
        check(prim.argmin(x, axis=axis), np.argmin(a, axis=axis), "int32")


def test_a_nan_wins(gpu):
    a = numbers((4, 300))
    a[1, [7, 250]] = np.nan
    a[2, 299] = np.nan
    a[3, 0] = np.nan
    for b in (a, a.T.copy()):
        x, axis = as_array(b, target=gpu), 1 if b is a else 0
        for name in ("amax", "amin", "sum", "argmax", "argmin"):
            primitive = getattr(prim, name)
            attributes = {"axis": axis if "arg" in name else (axis,)}
            np.testing.assert_allclose(primitive(x, **attributes).get(), primitive(b, **attributes), rtol=1e-12)
    np.testing.assert_array_equal(prim.amax(as_array(np.full(9, -np.inf), target=gpu)).get(), -np.inf)


def test_into_given_storage(gpu):
    a = numbers((4, 6))
    x = as_array(a, target=gpu)
    for out in (as_array(np.zeros(6), target=gpu), as_array(np.zeros((6, 2)), target=gpu)[:, 1]):
        assert prim.sum(x, axis=(0,), out=out) is out
        check(out, a.sum(0), "float64", 4)
    places = as_array(np.zeros((4, 2), "int32"), target=gpu)[:, 0]
    assert prim.argmax(x, axis=1, out=places) is places
    check(places, a.argmax(1), "int32")
    with pytest.raises(ValueError, match=r"out must be of shape \(6,\)"):
        prim.sum(x, axis=(0,), out=places)
    assert not gpu.not_emulated


def test_operands_without_a_kernel_take_the_portable_implementation(gpu):
    assert prim.sum(as_array(np.zeros((0, 3)), target=gpu), axis=(0,)).get().tolist() == [0, 0, 0]
    assert prim.sum(as_array(np.arange(4, dtype="uint16"), target=gpu)).get() == 6
    assert prim.any(as_array(np.arange(4), target=gpu)).get()
    assert not gpu.launches


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_scans(gpu, dtype):
    for shape, axis in (
        ((1,), 0),
        ((5,), 0),
        ((1027,), 0),
        ((2200,), 0),
        ((3, 9, 5), 1),
        ((3, 9, 40), 1),
        ((70, 13), 1),
        ((13, 70), 0),
    ):
        a = numbers(shape, dtype)
        x = as_array(a, target=gpu)
        check(prim.cumsum(x, axis=axis), np.cumsum(wide(a), axis=axis), dtype, 4 * a.shape[axis])
        b = np.sign(a) + (a == 0) if "int" in dtype else 1 + a / 100
        found = prim.cumprod(as_array(b.astype(dtype), target=gpu), axis=axis)
        check(found, np.cumprod(wide(b.astype(dtype)), axis=axis), dtype, 4 * a.shape[axis])
    check(prim.cumsum(x[::-1].T, axis=1), np.cumsum(wide(a)[::-1].T, axis=1), dtype, 70)
    out = as_array(np.zeros((*a.shape, 2), dtype), target=gpu)[..., 1]
    assert prim.cumsum(x, axis=0, out=out) is out
    check(out, np.cumsum(wide(a), axis=0), dtype, 70)
    assert not gpu.not_emulated
