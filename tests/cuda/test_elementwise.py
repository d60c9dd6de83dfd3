"""Functions of floats, in every layout that operands can have, with the values that need care."""
# kernels: unary.cu binary.cu map.cuh common.cuh

import numpy as np
import pytest

from gpunet.backend.devices import as_array
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.primitives import elementwise as prim

FLOATS = ("float32", "float64", "float16", "bfloat16")
TOLERANCE = {"float32": 5e-7, "float64": 1e-14, "float16": 1e-3, "bfloat16": 8e-3}
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, -3.0, 1e-3, 20.0, -20.0, 7.5]
UNARY = {**prim.UNARY, **prim.UNARY_BOOL}
del UNARY["invert"]
BINARY = {
    **{name: p for name, p in prim.BINARY.items() if "bitwise" not in name and "shift" not in name},
    **prim.BINARY_BOOL,
    "relu_grad": prim.relu_grad,
    "tanh_grad": prim.tanh_grad,
    "sigmoid_grad": prim.sigmoid_grad,
}
SIGNED = ("negative", "absolute", "sign", "floor", "ceil", "rint", "trunc", "floor_divide", "mod", "add", "multiply")


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def check(found, expected, dtype, name=""):
    """`found` against a float64 result, with the sign of zeros where NumPy defines it."""
    found = found.get()
    if expected.dtype == bool:
        assert found.dtype == bool
        np.testing.assert_array_equal(found, expected)
        return
    assert found.dtype == as_dtype(dtype)
    with np.errstate(all="ignore"):
        expected = expected.astype(found.dtype).astype("float64")
    found = found.astype("float64")
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    if name in SIGNED:
        known = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(found)[known], np.signbit(expected)[known])


def reference(primitive, *operands):
    with np.errstate(all="ignore"):
        return np.asarray(primitive.table[np.ndarray](*operands))


@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_of_one_operand(gpu, dtype):
    a = np.concatenate([SPECIAL, numbers(22)]).astype(as_dtype(dtype))
    x = as_array(a, target=gpu)
    for name, primitive in UNARY.items():
        check(primitive(x), reference(primitive, a.astype("float64")), dtype, name)
        assert gpu.launches == {f"map_{name}": 1}
        gpu.forget()
    assert not gpu.not_emulated


@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_of_two_operands(gpu, dtype):
    a = np.array(SPECIAL).astype(as_dtype(dtype))
    x = as_array(a, target=gpu)
    left, right = a.astype("float64")[:, None], a.astype("float64")[None]
    for name, primitive in BINARY.items():
        expected = reference(primitive, left, right)
        if name == "relu_grad":  # nothing of an infinite gradient where the slope is 0
            expected = np.where(right > 0, left, 0.0)
        check(primitive(x[:, None], x[None]), expected, dtype, name)
    assert not gpu.not_emulated


LAYOUTS = {
    "one": lambda x: (x[0, 0, :1], x[0, 1, :1]),
    "scalars": lambda x: (x[0, 0, 0], x[1, 1, 1]),
    "equal": lambda x: (x, x[::-1]),
    "tail": lambda x: (x.reshape(-1)[:1027], x.reshape(-1)[:1027]),
    "not aligned": lambda x: (x.reshape(-1)[1:1026], x.reshape(-1)[:1025]),
    "row": lambda x: (x, x[0, 0]),
    "odd row": lambda x: (x[:, :, :7], x[1, 1, :7]),
    "middle": lambda x: (x, x[:, :1]),
    "column": lambda x: (x, x[:, :, :1]),
    "outer": lambda x: (x[:, :, :1], x[:1]),
    "one value": lambda x: (x, x[1, 2, 3]),
    "aligned part": lambda x: (x[:, :, 4:12], x[:, :, 8:16]),
    "part": lambda x: (x[:, :, 3:9], x[:, 1:2, 2:8]),
    "rows not aligned": lambda x: (x.reshape(-1)[: 20 * 6].reshape(20, 6)[:, :4], x[:1, 0, :4]),
    "reversed": lambda x: (x[::-2, ::3, ::-1], x[:4, :10, :]),
    "transposed": lambda x: (x.transpose(2, 0, 1), x.transpose(2, 0, 1)),
    "mixed": lambda x: (x.transpose(2, 0, 1), x.reshape(16, 8, 28)),
    "broadcast view": lambda x: (np.broadcast_to(x[:1], x.shape), x),
    "six axes": lambda x: (
        x.reshape(2, 4, 4, 7, 4, 4)[:, ::2, :, ::3],
        x.reshape(2, 4, 4, 7, 4, 4)[:, 1:2, :, 2:3, :, 3:],
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(gpu, layout):
    a = numbers((8, 28, 16)).astype("float32")
    u, v = LAYOUTS[layout](a)
    x, y = LAYOUTS[layout](as_array(a, target=gpu))
    found = prim.BINARY["subtract"](x, y)
    np.testing.assert_array_equal(found.get(), u - v)
    np.testing.assert_array_equal(prim.BINARY["subtract"](y, x).get(), v - u)
    np.testing.assert_array_equal(prim.UNARY["negative"](x).get(), -u)
    np.testing.assert_array_equal(prim.clip(x, y, 0.5).get(), np.minimum(np.maximum(u, v), np.float32(0.5)))
    np.testing.assert_array_equal(prim.clip(x, -0.5, y).get(), np.minimum(np.maximum(u, np.float32(-0.5)), v))
    assert gpu.launches == {"map_subtract": 2, "map_negative": 1, "map_clip": 2}
    assert not gpu.not_emulated


def test_results_keep_the_order_in_memory(gpu):
    x = as_array(numbers((4, 5, 6)), target=gpu).transpose(2, 0, 1)
    assert prim.UNARY["relu"](x).strides == x.strides
    assert prim.BINARY["add"](x, x[:1]).strides == x.strides
    assert prim.BINARY["add"](x[:, :, :1], x[0]).flags.c_contiguous


@pytest.mark.parametrize("size", [3, 4, 5, 1024, 65536 + 1021])
def test_sizes(gpu, size):
    a = numbers(size).astype("float16")
    x = as_array(a, target=gpu)
    np.testing.assert_array_equal(prim.UNARY["relu"](x).get(), np.maximum(a, 0))
    np.testing.assert_array_equal(prim.BINARY_BOOL["less"](x, x[::-1]).get(), a < a[::-1])


@pytest.mark.parametrize("dtype", FLOATS)
def test_numbers_as_operands(gpu, dtype):
    a = numbers((3, 7)).astype(as_dtype(dtype))
    x = as_array(a, target=gpu)
    for name in ("subtract", "divide", "power", "greater"):
        primitive = BINARY[name]
        check(primitive(x, 0.75), reference(primitive, a.astype("float64"), 0.75), dtype)
        left = primitive.table[type(x)]
        check(left(2, x), reference(primitive, 2.0, a.astype("float64")), dtype)
    for power, function in ((2, "square"), (0.5, "sqrt"), (-1.0, "reciprocal")):
        gpu.forget()
        check(prim.BINARY["power"](x, power), reference(prim.BINARY["power"], a.astype("float64"), power), dtype)
        assert gpu.launches == {f"map_{function}": 1}
    check(prim.clip(x, -0.5, 0.25), np.clip(a.astype("float64"), -0.5, 0.25), dtype)
    assert not gpu.not_emulated


def test_into_given_storage(gpu):
    a = numbers((6, 8)).astype("float32")
    x = as_array(a, target=gpu)
    for view in (lambda o: o[:6, :8], lambda o: o[1:7, 1:9], lambda o: o.T[::2, 3:19:2]):
        out, expected = as_array(np.zeros((20, 12), "float32"), target=gpu), np.zeros((20, 12), "float32")
        part = view(out)
        view(expected)[...] = a + a
        assert prim.BINARY["add"](x, x, out=part) is part
        np.testing.assert_array_equal(out.get(), expected)
    prim.UNARY["negative"](x, out=x)
    np.testing.assert_array_equal(x.get(), -a)
    assert not gpu.not_emulated


def test_out_of_another_shape_or_dtype_is_refused(gpu):
    x = as_array(np.zeros((2, 3)), target=gpu)
    with pytest.raises(ValueError, match=r"out must be of shape \(2, 3\) and float64. Received: \(3, 2\)"):
        prim.BINARY["add"](x, x, out=as_array(np.zeros((3, 2)), target=gpu))
    with pytest.raises(ValueError, match=r"out must be of shape \(2, 3\) and bool. Received: \(2, 3\), float64"):
        prim.BINARY_BOOL["less"](x, x, out=x)


def test_operands_without_a_kernel_take_the_portable_implementation(gpu):
    x = as_array(numbers((2, 3)), target=gpu)
    narrow = as_array(np.arange(3, dtype="int16"), target=gpu)
    np.testing.assert_array_equal(prim.BINARY["add"](narrow, narrow).get(), [0, 2, 4])
    assert prim.BINARY["add"](x[:0], x[:0]).shape == (0, 3)
    seven = x.reshape(1, 2, 1, 1, 1, 3, 1)
    np.testing.assert_array_equal(prim.UNARY["negative"](seven).get(), -seven.get())
    mixed = prim.BINARY["add"](x, as_array(np.ones(3, "float32"), target=gpu))
    np.testing.assert_array_equal(mixed.get(), x.get() + 1)
    assert gpu.not_emulated == {"add": 3, "negative": 1}
    assert not gpu.launches
