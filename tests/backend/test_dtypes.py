"""Names of dtypes, promotion, and that what is inferred is what is computed."""

import itertools

import numpy as np
import pytest

import gpunet
from gpunet import Tensor, Variable, config, ops
from gpunet.backend.dtypes import as_dtype, float_type, is_float, is_integer, result_type
from gpunet.symbolic import KerasTensor

NAMES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 bfloat16 float16 float32 float64".split()
# The least upper bounds of Keras's lattice: "x,y z" says that x and y give z.
PROMOTIONS = """
    bool,bool bool | bool,uint8 uint8 | uint8,int8 int16 | uint8,uint16 uint16 | uint16,int16 int32 | int32,uint32 int64
    int8,int64 int64 | uint64,int8 float32 | uint64,uint8 uint64 | int32,float16 float16 | int64,bfloat16 bfloat16
    float16,bfloat16 float32 | float16,float32 float32 | bfloat16,float64 float64 | uint64,float16 float16
    bool,float32 float32 | uint32,uint64 uint64 | int64,float32 float32
"""


@pytest.mark.parametrize("line", PROMOTIONS.replace("\n", "|").split("|"))
def test_promotion(line):
    if not line.strip():
        return
    operands, expected = line.split()
    x, y = operands.split(",")
    assert result_type(x, y) == result_type(y, x) == as_dtype(expected)


@pytest.mark.parametrize("name", NAMES)
def test_python_numbers_adapt_to_the_array(name):
    dtype = as_dtype(name)
    assert result_type(dtype, True) == dtype
    assert result_type(dtype, 3) == (dtype if name != "bool" else as_dtype("int32"))
    assert result_type(dtype, 2.5) == (dtype if is_float(dtype) else as_dtype("float32"))


def test_promotion_is_associative_and_commutative():
    for x, y, z in itertools.product(NAMES, repeat=3):
        assert result_type(x, y, z) == result_type(z, y, x)
    for x, y in itertools.product(NAMES, repeat=2):
        if result_type(x, y) != as_dtype("float32"):  # two weak floats meet in floatx
            assert result_type(result_type(x, y), y) == result_type(x, y)


def test_numbers_alone():
    assert result_type(1, 2) == as_dtype("int32")
    assert result_type(1, 2.0) == as_dtype("float32")
    assert result_type(True, False) == as_dtype("bool")


def test_floatx(monkeypatch):
    monkeypatch.setitem(config._state, "floatx", "float64")
    assert result_type(1.0) == float_type(as_dtype("int32")) == as_dtype(None) == np.float64
    assert ops.exp(Tensor([1, 2])).dtype == np.float64
    assert ops.zeros(2).dtype == np.float64
    assert Variable([1.0]).dtype == np.float64


@pytest.mark.parametrize(
    "spelling", ["float32", np.float32, np.dtype("float32"), np.zeros(1, "f4"), float, None, "float"]
)
def test_spellings_of_float32(spelling):
    assert as_dtype(spelling) is np.dtype("float32")


def test_other_spellings():
    assert as_dtype(int) == as_dtype("int") == np.int32
    assert as_dtype(bool) == np.bool_
    assert as_dtype("half") == np.float16
    assert as_dtype("double") == np.float64
    assert as_dtype("bfloat16").name == "bfloat16"
    assert as_dtype(np.dtype(">f4")) is np.dtype("float32")


@pytest.mark.parametrize("wrong", ["complex64", "float33", "string", np.complex128, object, "int4"])
def test_other_dtypes_are_errors(wrong):
    with pytest.raises(ValueError, match=r"Invalid dtype.*Received: dtype="):
        as_dtype(wrong)


def test_kinds():
    assert [name for name in NAMES if is_float(as_dtype(name))] == NAMES[-4:]
    assert [name for name in NAMES if is_integer(as_dtype(name))] == NAMES[1:9]


UNARY = """
    absolute square exp log floor ceil trunc round relu sigmoid tanh sum mean max prod all argmax var cumsum
    zeros_like isfinite logical_not sort argsort softmax gelu nan_to_num count_nonzero std norm logsumexp
""".split()
BINARY = """
    add multiply divide floor_divide mod power maximum minimum equal less logical_and matmul arctan2 logaddexp where_
""".split()


def _call(name, *arguments):
    if name == "where_":
        return ops.where(arguments[0] > 0, *arguments)
    return getattr(ops, name)(*arguments)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", NAMES)
def test_the_inferred_dtype_of_one_operand_is_the_computed_one(name, dtype):
    inferred = _call(name, KerasTensor((2, 2), dtype)).dtype
    assert _call(name, np.ones((2, 2), as_dtype(dtype))).dtype == inferred
    assert _call(name, Tensor(np.ones((2, 2), as_dtype(dtype)))).dtype == inferred


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", BINARY)
def test_the_inferred_dtype_of_two_operands_is_the_computed_one(name):
    for left, right in itertools.product(NAMES, [*NAMES, 2, 2.5]):
        if name == "matmul" and right in (2, 2.5):
            continue
        number = not isinstance(right, str)
        inferred = _call(name, KerasTensor((2, 2), left), right if number else KerasTensor((2, 2), right)).dtype
        second = right if number else np.ones((2, 2), as_dtype(right))
        computed = _call(name, np.ones((2, 2), as_dtype(left)), second)
        assert computed.dtype == inferred, f"{name} of {left} and {right}"


def test_bit_operations_refuse_floats():
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"):
        with pytest.raises(TypeError, match=f"{name} expected integers or bools. Received: float32 and int32"):
            getattr(ops, name)(np.ones(2, "float32"), np.ones(2, "int32"))
        with pytest.raises(TypeError, match="Received: int32 and float"):
            getattr(ops, name)(np.ones(2, "int32"), 1.5)


def test_python_data():
    assert Tensor([1.5, 2]).dtype == "float32"
    assert Tensor([1, 2]).dtype == "int32"
    assert Tensor([1, 2**40]).dtype == "int64"
    assert Tensor([True]).dtype == "bool"
    assert Tensor(np.arange(2.0)).dtype == "float64"
    assert Tensor(2.5, dtype="bfloat16").dtype.name == "bfloat16"
    for wrong in ("text", [[1], [1, 2]], None, object(), 1j):
        with pytest.raises((TypeError, ValueError)):
            Tensor(wrong)


def test_arange_follows_its_arguments():
    assert ops.arange(3).dtype == "int32"
    assert ops.arange(3.0).dtype == "float32"
    assert ops.arange(np.float64(3)).dtype == "float64"
    assert ops.arange(np.int64(3)).dtype == "int64"
    assert ops.arange(0, 1, 0.25).dtype == "float32"
    assert ops.arange(Tensor(3)).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="step must not be 0"):
        ops.arange(0, 1, 0)


def test_names_of_the_package():
    assert gpunet.Tensor is Tensor
