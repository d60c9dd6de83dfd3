"""Copies of arrays in another order of axes are copies, in C order."""

import numpy as np
import pytest

from gpunet.backend.cpu import copying
from gpunet.backend.primitives.elementwise import copy

RNG = np.random.default_rng(0)


def given(shape, dtype):
    return (RNG.normal(size=shape) * 50).astype(dtype)


VIEWS = {
    "transposed": lambda dtype: given((700, 333), dtype).T,
    "channels_first": lambda dtype: given((5, 40, 41, 48), dtype).transpose(0, 3, 1, 2),
    "channels_last": lambda dtype: given((5, 48, 40, 41), dtype).transpose(0, 2, 3, 1),
    "all_turned": lambda dtype: given((64, 50, 70), dtype).transpose(2, 1, 0),
    "part": lambda dtype: given((700, 900), dtype)[5:-3, 100:].T,
    "reversed": lambda dtype: given((700, 333), dtype)[::-1, ::-1].T,
    "repeated": lambda dtype: np.broadcast_to(given((700, 1), dtype), (700, 333)).T,
    "every_second": lambda dtype: given((700, 666), dtype)[:, ::2].T,
    "narrow": lambda dtype: given((40_000, 3), dtype).T,
    "as_it_lies": lambda dtype: given((700, 333), dtype),
}
TILED = {"transposed", "all_turned", "part"}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "bool"])
@pytest.mark.parametrize("name", VIEWS)
def test_is_a_copy(name, dtype):
    x = VIEWS[name](dtype)
    y, z = copy(x), np.empty(x.shape, dtype)
    assert copy(x, out=z) is z
    assert y.flags.c_contiguous
    assert not np.shares_memory(x, y)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(z, x)


@pytest.mark.parametrize("name", VIEWS)
def test_which_are_copied_in_tiles(name):
    assert (copying._inner_axis(VIEWS[name]("float32")) is not None) == (name in TILED)


def test_a_result_in_another_order_or_dtype():
    x = given((700, 333), "float32").T
    for out in (np.empty((700, 333)).T, np.empty((333, 700))):
        assert copy(x, out=out) is out
        np.testing.assert_array_equal(out, x)
