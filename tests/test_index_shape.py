"""The shape of x[index] without x's memory, for every kind of index that NumPy takes, against NumPy."""

import itertools

import numpy as np

from gpunet.backend.primitives.shape import ARRAY, index_shape

ITEMS = [0, -1, slice(None), slice(1, None, 2), None, Ellipsis, (2,), (3, 1), ()]


def test_as_numpy():
    shape = (3, 4, 2)
    compared = 0
    for items in itertools.chain.from_iterable(itertools.product(ITEMS, repeat=n) for n in range(1, 5)):
        if sum(i is not None and i is not Ellipsis for i in items) > 3 or items.count(Ellipsis) > 1:
            continue
        arrays = [np.zeros(i, int) for i in items if isinstance(i, tuple)]
        spec = tuple(ARRAY if isinstance(i, tuple) else i for i in items)
        queue = iter(arrays)
        expected = np.zeros(shape)[tuple(next(queue) if i is ARRAY else i for i in spec)].shape
        assert index_shape(shape, arrays, spec) == expected, items
        compared += 1
    assert compared > 3000


def test_takes_no_memory():
    huge = (2**20, 2**20, 2**20)
    assert index_shape(huge, [np.zeros(5, int)], (slice(None), ARRAY)) == (2**20, 5, 2**20)
