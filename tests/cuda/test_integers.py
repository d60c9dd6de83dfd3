"""Functions of integers and bools: bits equal to NumPy's."""
# kernels: integer.cu

import numpy as np
import pytest

from gpunet.backend.devices import as_array
from gpunet.backend.primitives import elementwise as prim

VALUES = {
    "int32": [0, 1, -1, 2, -7, 31, 32, 33, 1000, -(2**31), 2**31 - 1],
    "int64": [0, 1, -1, 3, -8, 63, 64, 10**12, -(2**63), 2**63 - 1],
    "uint8": [0, 1, 2, 7, 8, 9, 100, 255],
    "bool": [False, True],
}
KEEPING = ("add", "multiply", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor")
ARITHMETIC = ("subtract", "floor_divide", "mod", "left_shift", "right_shift")


@pytest.mark.parametrize("dtype", VALUES)
def test_functions_of_one_operand(gpu, dtype):
    a = np.array(VALUES[dtype], dtype)
    x = as_array(a, target=gpu)
    names = ["invert"] if dtype == "bool" else ["invert", "negative", "absolute", "sign", "square", "relu"]
    for name in names:
        found, expected = prim.UNARY[name](x).get(), prim.UNARY[name](a)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, name)
    np.testing.assert_array_equal(prim.UNARY_BOOL["logical_not"](x).get(), a == 0)
    assert not gpu.not_emulated


@pytest.mark.parametrize("dtype", VALUES)
def test_functions_of_two_operands(gpu, dtype):
    a = np.array(VALUES[dtype], dtype)
    x = as_array(a, target=gpu)
    names = KEEPING if dtype == "bool" else KEEPING + ARITHMETIC
    for name, primitive in {**{n: prim.BINARY[n] for n in names}, **prim.BINARY_BOOL}.items():
        with np.errstate(all="ignore"):
            expected = primitive(a[:, None], a[None])
        found = primitive(x[:, None], x[None]).get()
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, name)
    assert not gpu.not_emulated


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_numbers_powers_and_limits(gpu, dtype):
    a = np.arange(23, dtype=dtype)
    x = as_array(a, target=gpu)
    powers = np.arange(6, dtype=dtype)
    found = prim.BINARY["power"](x[:, None], as_array(powers, target=gpu))
    np.testing.assert_array_equal(found.get(), np.power(a[:, None], powers))
    np.testing.assert_array_equal(prim.BINARY["subtract"](x, 5).get(), a - np.array(5, dtype))
    np.testing.assert_array_equal(prim.BINARY["mod"].table[type(x)](17, x).get()[1:], 17 % a[1:])
    np.testing.assert_array_equal(prim.BINARY_BOOL["less"](x, 9).get(), a < 9)
    np.testing.assert_array_equal(prim.clip(x, 4, 11).get(), np.clip(a, 4, 11))
    np.testing.assert_array_equal(prim.clip(x, x[::-1], 20).get(), np.minimum(np.maximum(a, a[::-1]), 20))
    assert not gpu.not_emulated


def test_powers_with_negative_exponents(gpu):
    bases, exponents = (np.array(v, "int32") for v in ([1, -1, -1, 2, 0], [-3, -3, -2, -1, -1]))
    found = prim.BINARY["power"](as_array(bases, target=gpu), as_array(exponents, target=gpu))
    np.testing.assert_array_equal(found.get(), [1, -1, 1, 0, 0])


def test_numbers_of_another_kind_take_the_portable_implementation(gpu):
    x = as_array(np.arange(5, dtype="int32"), target=gpu)
    np.testing.assert_array_equal(prim.BINARY["multiply"](x, 0.5).get(), [0, 0.5, 1, 1.5, 2])
    flags = as_array(np.array([True, False]), target=gpu)
    np.testing.assert_array_equal(prim.BINARY["add"](flags, 1).get(), [2, 1])
    np.testing.assert_array_equal(prim.UNARY["floor"](x).get(), np.arange(5))
    assert gpu.not_emulated == {"multiply": 1, "add": 1, "floor": 1}
