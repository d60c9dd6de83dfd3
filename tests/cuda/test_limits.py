"""What does not fit 32 bits, or a grid: offsets into views, numbers of elements, blocks along y."""
# kernels: scatter.cu

import numpy as np
import pytest

from gpunet.backend.cuda import arrays, shape
from gpunet.backend.devices import as_array
from gpunet.backend.primitives import conv, elementwise, matmul, nn, pooling, reduction
from gpunet.backend.primitives import shape as shape_prim
from gpunet.testing import DeviceArray

RNG = np.random.default_rng(0)
ALL = slice(None)
WINDOWS = {"window": (2, 2), "strides": (1, 1), "padding": ((0, 0), (0, 0))}


def index(*values):
    return np.array(values, "int32").view(DeviceArray)


READERS = {
    "map": lambda x: elementwise.BINARY["add"](x, x),
    "cast": lambda x: elementwise.cast(x, dtype=np.dtype("float64")),
    "sum": lambda x: reduction.sum(x, axis=(0,), keepdims=False),
    "argmax": lambda x: reduction.argmax(x, axis=1),
    "cumsum": lambda x: reduction.cumsum(x, axis=0),
    "softmax": lambda x: nn.softmax(x, axis=1),
    "matmul": lambda x: matmul.matmul(x, x),
    "argsort": lambda x: shape_prim.argsort(x, axis=1),
    "one index": lambda x: shape_prim.getitem(x, index(1, 0, 1), spec=(shape_prim.ARRAY, ALL)),
    "two indices": lambda x: shape_prim.getitem(x, index(1, 0, 1), index(1, 1, 0), spec=(shape_prim.ARRAY,) * 2),
    "along an axis": lambda x: shape_prim.take_along_axis(x, index(1, 0).reshape(2, 1), axis=1),
    "reshape": lambda x: shape_prim.reshape(x, shape=(4,)),
    "pool": lambda x: pooling.avg_pool(x[None, :, :, None], **WINDOWS),
    "convolution": lambda x: conv.conv(x[None, :, :, None], x[:, :, None, None], strides=(1, 1), padding=((0, 0),) * 2,
                                       dilation=(1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_views_that_reach_farther_than_32_bits_count(gpu, name):
    whole = np.empty((25_000, 90_000), "float32")  # of which four elements are ever touched
    view = whole[::24_999, ::89_999]
    view[...] = RNG.standard_normal((2, 2))
    assert (view.strides[0] + view.strides[1]) // 4 > 2**31
    found = READERS[name](view.view(DeviceArray))
    expected = READERS[name](np.ascontiguousarray(view).view(DeviceArray))
    np.testing.assert_allclose(found.get(), expected.get(), rtol=1e-6)


MANY = {
    "map": lambda x: elementwise.UNARY["exp"](x),
    "broadcast": lambda x: elementwise.BINARY["add"](x[:1], x[:, :1]),
    "cast": lambda x: elementwise.cast(x, dtype=np.dtype("float64")),
    "where": lambda x: elementwise.where(x, x, x),
    "sum": lambda x: reduction.sum(x, axis=None, keepdims=False),
    "argmax": lambda x: reduction.argmax(x, axis=1),
    "cumsum": lambda x: reduction.cumsum(x, axis=0),
    "softmax": lambda x: nn.softmax(x, axis=1),
    "batch_norm": lambda x: nn.batch_norm(x, None, None, epsilon=1e-3),
    "matmul": lambda x: matmul.matmul(x, x),
    "argsort": lambda x: shape_prim.argsort(x, axis=1),
    "an index": lambda x: shape_prim.getitem(x, index(1, 0, 1), spec=(shape_prim.ARRAY, ALL)),
    "pool": lambda x: pooling.max_pool(x[None, :, :, None], **WINDOWS, residuals=False),
    "convolution": lambda x: conv.conv(x[None, :, :, None], x[:2, :2, None, None], strides=(1, 1),
                                       padding=((0, 0),) * 2, dilation=(1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", MANY)
def test_more_elements_than_32_bits_count_are_left_to_cupy(gpu, name, monkeypatch):
    one = np.zeros((1, 1), bool if name == "where" else "float32").view(DeviceArray)
    many = np.broadcast_to(one, (2**16, 2**16))
    gpu.forget()
    monkeypatch.setattr(arrays.portable, "bind", lambda *_: lambda *_, **__: "left to CuPy")
    assert MANY[name](many) == "left to CuPy"
    assert not gpu.launches


def test_more_columns_than_a_grid_has_blocks(gpu, monkeypatch):
    """Each column adds up the rows that go there, also where a block takes several pieces of the columns."""
    monkeypatch.setattr(shape, "LARGEST_GRID", 2)
    g, places = RNG.standard_normal((5, 300)).astype("float32"), np.array([2, 0, 2, 2, 0], "int32")
    expected = np.zeros((3, 300), "float32")
    np.add.at(expected, places, g)
    on_gpu = as_array(g, target=gpu), as_array(places, target=gpu)
    found = shape_prim.scatter(*on_gpu, spec=(shape_prim.ARRAY, ALL), shape=(3, 300))
    np.testing.assert_allclose(found.get(), expected, rtol=1e-6, atol=1e-6)
    assert gpu.launches["scatter_sum"] == 1
