"""Into and out of tensors: what the op table leaves out because its results are no arrays."""

import copy
import pickle

import numpy as np
import pytest

from gpunet import GradientTape, Tensor, Variable, ops
from gpunet.symbolic import KerasTensor
from gpunet.testing import emulated_gpu


def test_a_tensor_shares_the_memory_of_its_array():
    x = np.arange(4.0)
    t = Tensor(x)
    assert t.array is x
    assert ops.convert_to_tensor(t) is t
    assert t.numpy() is not x
    t.numpy()[0] = 9
    assert x[0] == 0


def test_convert_to_tensor_of_a_variable_is_its_value():
    v = Variable([1.0, 2.0])
    t = ops.convert_to_tensor(v)
    assert type(t) is Tensor
    v.assign([5.0, 6.0])
    assert t.tolist() == [1, 2]
    assert ops.convert_to_tensor(v, "float16").dtype == "float16"
    k = KerasTensor((None, 2), "int32")
    assert ops.convert_to_tensor(k) is k
    assert ops.convert_to_tensor(k, "float32").dtype == "float32"


def test_convert_to_numpy():
    for x in (Tensor([1.0, 2.0]), Variable([1.0, 2.0]), np.array([1.0, 2.0]), [1.0, 2.0]):
        y = ops.convert_to_numpy(x)
        assert type(y) is np.ndarray
        assert y.tolist() == [1, 2]
    with emulated_gpu():
        assert type(ops.convert_to_numpy(Tensor([1.0]))) is np.ndarray


def test_is_tensor():
    assert ops.is_tensor(Tensor(1.0))
    assert ops.is_tensor(Variable(1.0))
    assert ops.is_tensor(KerasTensor((2,)))
    assert not ops.is_tensor(np.ones(2))
    assert not ops.is_tensor([1.0])


def test_shape_ndim_size():
    for x in (np.ones((2, 3)), Tensor(np.ones((2, 3))), [[1, 2, 3], [4, 5, 6]]):
        assert ops.shape(x) == (2, 3)
        assert ops.ndim(x) == 2
        assert ops.size(x) == 6
    assert ops.shape(KerasTensor((None, 3))) == (None, 3)
    assert ops.ndim(KerasTensor((None, 3))) == 2


def test_dtype():
    assert ops.dtype(ops.ones(2, "bfloat16")) == "bfloat16"
    assert ops.dtype(np.ones(2)) == "float64"
    assert ops.dtype([1, 2]) == "int32"
    assert ops.dtype(KerasTensor((None, 2), "int8")) == "int8"


def test_empty_like():
    x = ops.empty_like(np.ones((2, 3), "float16"))
    assert (type(x), x.shape, x.dtype) == (np.ndarray, (2, 3), "float16")
    assert ops.empty_like(ops.ones(2), "int32").dtype == "int32"


def test_there_are_dense_tensors_only():
    assert ops.convert_to_tensor([1.0], sparse=False).shape == (1,)
    with pytest.raises(ValueError, match="dense tensors only. Received: sparse=True"):
        ops.convert_to_tensor([1.0], sparse=True)
    with pytest.raises(ValueError, match="no sparse results"):
        ops.one_hot([1], 2, sparse=True)


def test_empty():
    x = ops.empty((2, 3), "float16")
    assert (x.shape, x.dtype) == ((2, 3), np.float16)


def test_a_tensor_as_a_python_number():
    assert float(Tensor([[2.5]])) == 2.5
    assert int(Tensor(3)) == 3
    assert [10, 20, 30][Tensor(1)] == 20
    assert bool(Tensor([True]))
    assert f"{Tensor(0.125):.2f}" == "0.12"
    with pytest.raises(ValueError, match=r"one element is a number. Received: shape=\(2,\)"):
        float(Tensor([1.0, 2.0]))
    with pytest.raises(TypeError, match="integer tensors can be used as an index. Received: dtype=float32"):
        [1, 2][Tensor(1.0)]


def test_a_tensor_as_a_sequence():
    t = Tensor([[1, 2], [3, 4]])
    assert len(t) == 2
    assert [row.tolist() for row in t] == [[1, 2], [3, 4]]
    _, b = t
    assert b.tolist() == [3, 4]
    with pytest.raises(TypeError, match="a scalar tensor has no length"):
        len(Tensor(1.0))


def test_numpy_functions_are_ops_and_differentiable():
    v = Variable([0.5, 1.0])
    with GradientTape() as tape:
        y = np.sum(np.exp(v) * np.array([1.0, 2.0], "float32")) + np.mean(np.concatenate([v, v]))
    assert isinstance(y, Tensor)
    expected = np.exp([0.5, 1.0]) * [1, 2] + 0.5
    np.testing.assert_allclose(tape.gradient(y, v), expected, rtol=1e-6)
    assert isinstance(np.array([1.0, 2.0]) + Tensor([1.0, 2.0]), Tensor)
    assert isinstance(np.float32(2) * Tensor([1.0, 2.0]), Tensor)
    assert np.shape(Tensor([[1.0]])) == (1, 1)
    assert np.asarray(Tensor([1.0])).tolist() == [1.0]


def test_numpy_functions_without_an_op_see_arrays():
    assert isinstance(np.histogram(Tensor([1.0, 2.0]))[0], np.ndarray)
    np.testing.assert_allclose(np.linalg.norm(Tensor([3.0, 4.0])), 5)


def test_dlpack():
    t = Tensor(np.arange(3.0))
    assert np.from_dlpack(t).tolist() == [0, 1, 2]


def test_copies_and_pickles():
    t = Tensor([1.0, 2.0])
    for other in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        assert type(other) is Tensor
        assert other.tolist() == [1, 2]
    v = Variable([1.0, 2.0], trainable=False, name="state")
    for other in (copy.deepcopy(v), pickle.loads(pickle.dumps(v))):
        assert isinstance(other, Variable)
        assert (other.name, other.trainable, other.tolist()) == ("state", False, [1, 2])
        other.assign([0.0, 0.0])
    assert v.tolist() == [1, 2]


def test_repr():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.], dtype=float32, device='cpu')"
    assert "path='w'" in repr(Variable([1.0], name="w"))
    assert repr(KerasTensor((None, 2), name="x")) == "<KerasTensor shape=(None, 2), dtype=float32, name=x>"


@pytest.mark.parametrize("use", [bool, float, len, iter, np.asarray, lambda x: x.numpy()])
def test_a_symbolic_tensor_has_no_data(use):
    with pytest.raises(TypeError, match=r"has no data.*Use gpunet.ops or a layer on it"):
        use(KerasTensor((2,)))


def test_a_symbolic_tensor_and_numpy():
    with pytest.raises(TypeError):
        np.exp(KerasTensor((2,)))


OPERATORS = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "//": lambda x, y: x // y,
    "%": lambda x, y: x % y,
    "**": lambda x, y: x**y,
    "<": lambda x, y: x < y,
    ">=": lambda x, y: x >= y,
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
}


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_operators(operator):
    x, y = np.array([1.5, 2.0, 3.0]), np.array([2.0, 2.0, 0.5])
    expected = operator(x, y)
    for left, right in ((Tensor(x), Tensor(y)), (Tensor(x), y), (x, Tensor(y)), (Variable(x), y.tolist())):
        found = operator(left, right)
        assert isinstance(found, Tensor)
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(operator(2.5, Tensor(y))), operator(2.5, y), rtol=1e-6)
    assert isinstance(operator(KerasTensor((None, 3)), 2.0), KerasTensor)


def test_unary_operators_and_integers():
    x = Tensor([1, -2])
    assert (-x).tolist() == [-1, 2]
    assert (+x).tolist() == [1, -2]
    assert abs(x).tolist() == [1, 2]
    assert (~x).tolist() == [-2, 1]
    assert (x & 3).tolist() == [1, 2]
    assert (1 | x).tolist() == [1, -1]
    assert (x ^ x).tolist() == [0, 0]
    assert (x << 1).tolist() == [2, -4]
    assert (8 >> Tensor([1, 2])).tolist() == [4, 2]
    assert (Tensor([[1.0, 2.0]]) @ Tensor([[3.0], [4.0]])).tolist() == [[11]]
    assert (np.ones((1, 2)) @ Tensor(np.ones((2, 1)))).tolist() == [[2]]
    plus = +KerasTensor((2,))
    assert isinstance(plus, KerasTensor)


def test_comparisons_with_what_is_no_number():
    t = Tensor([1.0])
    assert (t == None) is False  # noqa: E711
    assert (t != "text") is True
    assert t in [t]
    assert len({t, t}) == 1


def test_methods():
    t = Tensor(np.arange(6.0).reshape(2, 3))
    assert t.reshape(3, 2).shape == t.reshape((3, 2)).shape == t.T.shape == t.transpose(1, 0).shape == (3, 2)
    assert t.flatten().shape == t.ravel().shape == (6,)
    assert float(t.sum()) == 15
    assert t.mean(axis=0).tolist() == [1.5, 2.5, 3.5]
    assert t.max(axis=1, keepdims=True).shape == (2, 1)
    assert t.astype("int32").dtype == "int32"
    assert int(t.argmax()) == 5
    assert t[None].squeeze().shape == (2, 3)
    assert t.std().shape == t.var().shape == ()
    assert t.cumsum(0).tolist()[1] == [3, 5, 7]
    assert bool((t >= 0).all())
    assert not bool((t > 9).any())
