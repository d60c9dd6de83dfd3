"""Maps over whole arrays, and copies of any strides."""

import numpy as np
import pytest

from gpunet.backend.devices import as_array
from gpunet.backend.primitives import elementwise as prim

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 3, 4, 1023, 1024 * 130 + 1])
def test_maps(gpu, size, dtype):
    a, b = (RNG.standard_normal(size).astype(dtype) for _ in range(2))
    x, y = as_array(a, target=gpu), as_array(b, target=gpu)
    np.testing.assert_array_equal(prim.relu_grad(x, y).get(), a * (b > 0))
    np.testing.assert_array_equal(prim.BINARY["add"](x, y).get(), a + b)
    out = as_array(np.zeros(size + 1, dtype), target=gpu)
    assert prim.BINARY["add"](x, y, out=out[1:]).base is out  # not aligned: computed elsewhere and copied
    np.testing.assert_array_equal(out.get(), np.concatenate([[0], a + b]))
    assert gpu.launches == {"relu_grad": 1, "add": 2, "strided_copy": 1}
    assert not gpu.not_emulated


def test_other_operands_take_the_portable_implementation(gpu):
    x = as_array(RNG.standard_normal((2, 3)), target=gpu)
    for other in (1.0, x[:1], x[:, :1]):
        np.testing.assert_array_equal(prim.BINARY["add"](x, other).get(), x.get() + np.asarray(other))
    integers = as_array(np.arange(3), target=gpu)
    np.testing.assert_array_equal(prim.BINARY["add"](integers, integers).get(), [0, 2, 4])
    assert prim.BINARY["add"](x[:0], x[:0]).shape == (0, 3)
    assert gpu.not_emulated == {"add": 5}
    assert not gpu.launches


def test_out_of_another_shape_is_refused(gpu):
    x = as_array(np.zeros((2, 3)), target=gpu)
    with pytest.raises(ValueError, match=r"out must be of shape \(2, 3\) and float64. Received: \(3, 2\)"):
        prim.BINARY["add"](x, x, out=as_array(np.zeros((3, 2)), target=gpu))


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
    assert copy.flags.c_contiguous
    np.testing.assert_array_equal(copy.get(), VIEWS[view](a))
    out = as_array(np.zeros((*x.shape, 2), dtype), target=gpu)[..., 1]
    prim.copy(x, out=out)
    np.testing.assert_array_equal(out.get(), VIEWS[view](a))
    assert not gpu.not_emulated
