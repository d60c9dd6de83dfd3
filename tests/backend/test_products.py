"""Matrix products of the NumPy provider: in parts on several threads, with BLAS on one of its own."""

import os
import threading

import numpy as np
import pytest

from gpunet import config
from gpunet.backend.cpu import batch_norm, products, threads
from gpunet.backend.cpu.elementwise import rectify
from gpunet.backend.cpu.products import multiply

several = pytest.mark.skipif(threads.thread_count() < 2 or threads._blas() is None, reason="nothing is split here")


@pytest.fixture
def parts(monkeypatch):
    """The ranges into which products are split."""
    found = []
    split = products.split

    def seen(function, count, work):
        split(lambda a, b: (found.append((a, b)), function(a, b)), count, work)

    monkeypatch.setattr(products, "split", seen)
    return found


@several
@pytest.mark.parametrize("shape", [(300, 257, 300), (129, 700, 260), (300, 2000, 64), (70, 3000, 129)], ids=str)
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_large_products_in_parts(shape, kind, parts):
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k)).astype(kind), rng.standard_normal((k, n)).astype(kind)
    expected = a.astype("float64") @ b.astype("float64")
    wide = np.full((m, 2 * n), 7, kind)
    for left, right, out in ((a, b, None), (a.T.copy().T, b.T.copy().T, None), (a, b, wide[:, :n])):
        found = multiply(left, right, out)
        assert out is None or found is out
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 if kind == "float32" else 1e-10)
    assert (wide[:, n:] == 7).all()
    assert len(parts) > 3


def test_small_products_stay_whole(parts):
    a = np.ones((50, 784), "float32")
    np.testing.assert_array_equal(multiply(a, a.T), np.full((50, 50), 784))
    assert parts == []


@several
def test_one_thread_of_blas_beside_other_threads(monkeypatch):
    monkeypatch.setattr(threads, "_shares_cores", [False])
    get = threads._blas()[0]
    before = get()
    with threads.blas_threads(1 << 30):
        assert get() == before
    threads.split(lambda a, b: None, 2, 1 << 30)
    for limit, work in ((threads.ONE_THREAD, 1 << 18), (threads.ONE_THREAD_VECTOR, 9215)):
        with threads.blas_threads(work + 1, limit):
            assert get() == 1
        assert get() == before
        with threads.blas_threads(work, limit):  # which BLAS does in one thread by itself
            assert get() == before
    seen = []
    threads.split(lambda a, b: seen.append(get()), 1, 0)  # too little to share
    assert seen == [1]


@several
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be placed here")
def test_workers_keep_off_the_core_of_their_caller():
    ours = os.sched_getaffinity(0)
    found = {}

    def part(first, last):
        found[threading.current_thread().name] = os.sched_getaffinity(0)

    for _ in range(3):
        threads.split(part, 64, 1 << 30)
    theirs = found.pop("gpunet-cpu")
    assert theirs < ours
    assert len(theirs) == len(ours) - 1
    assert set(map(frozenset, found.values())) == {frozenset(ours)}
    assert os.sched_getaffinity(0) == ours


@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 8193, 30001])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_rectify(size, kind):
    x = np.random.default_rng(0).standard_normal(size).astype(kind)
    x[::7] = np.nan
    x[1::7] = -0.0
    expected = np.maximum(x, 0)
    out = np.empty_like(x)
    rectify(x, out)
    np.testing.assert_array_equal(out, expected)
    rectify(x, x)
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("count", [2, 3])
def test_batch_norm_does_not_depend_on_the_number_of_threads(count):
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 64, 33, 17, 16), "float32")
    gamma = rng.standard_normal(16, "float32")

    def results():
        (y, *moments), kept = batch_norm.batch_norm_relu(x, gamma, None, g, epsilon=1e-3, residuals=True)
        options = {"epsilon": 1e-3, "with_addend": True}
        return [y, *moments, *batch_norm.batch_norm_relu_grad(g, x, gamma, *kept, **options)]

    with_threads = []
    for number in (1, count):
        config.set_threads(number)
        with_threads.append(results())
    config.set_threads(None)
    for a, b in zip(*with_threads):
        np.testing.assert_array_equal(a, b)
