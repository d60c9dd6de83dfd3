"""What the oneDNN provider keeps: plans, few and per thread; descriptors of strided arrays; errors in words."""

import os
import threading

import numpy as np
import pytest

from gpunet import config
from gpunet.backend.onednn import library, matmul, onednn, plan
from gpunet.backend.onednn.memory import address, item_strides
from gpunet.backend.primitives import matmul as prim

from .problems import assert_close, exact, floats

pytestmark = pytest.mark.skipif(not library.is_usable(), reason=f"no oneDNN: {library.absence()}")


def product(rows, seed=0):
    """Run one product of its own shape and check it."""
    rng = np.random.default_rng(seed)
    a, b = floats(rng, rows, 64), floats(rng, 64, 64)
    assert_close(onednn.implementations["matmul"](a, b), exact(prim.matmul, a, b))


def test_plans_are_bounded_and_the_oldest_goes(monkeypatch):
    monkeypatch.setattr(plan, "KEPT", 5)
    for _ in range(2):
        for rows in range(100, 112):
            product(rows)
            assert plan.plan_count() <= 5
    made = []
    plan.cached("a", lambda: made.append(1) or "a")
    for i in range(4):
        plan.cached(i, lambda: "another")
        assert plan.cached("a", lambda: made.append(2)) == "a"
    for i in range(5):
        plan.cached(("new", i), lambda: "another")
    plan.cached("a", lambda: made.append(3) or "a")
    assert made == [1, 3]


def test_each_thread_has_its_own_plans_and_all_are_right():
    errors = []

    def work(seed):
        try:
            for rows in range(100, 120):
                product(rows, seed)
        except BaseException as error:  # shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []


def test_a_changed_number_of_threads_makes_plans_anew():
    product(100)
    before = plan.plan_count()
    assert before > 0
    config.set_threads(1)
    product(100)
    assert plan.plan_count() == 1
    assert library.library().calls.omp_get_max_threads() == 1
    config.set_threads(None)
    product(100)
    assert library.library().calls.omp_get_max_threads() == plan._default_threads()


def test_little_work_is_for_one_thread_and_openmp_keeps_its_number():
    threads = library.library().calls.omp_get_max_threads
    config.set_threads(2)
    seen = [plan.cached(("seen", work), threads, work) for work in (plan.ALONE, plan.ALONE + 1)]
    assert seen == [1, 2]
    rng = np.random.default_rng(0)
    most = plan.ALONE // 4096
    for rows, inner, several in ((most - 2, 64, False), (most - 1, 64, True), (1, 4096, True)):  # last: a large b
        a, b, y = floats(rng, rows, inner), floats(rng, inner, 64), np.empty((rows, 64), "float32")
        made = matmul._plan(a.shape, (inner, 1), b.shape, (64, 1), False, False)
        made(a, b, y)
        assert (made._mark is plan.mark_team) == several
        assert_close(y, exact(prim.matmul, a, b))
        assert threads() == 2
    plan._thread.plans.clear()


@pytest.mark.parametrize("given", [None, "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_threads_of_libgomp_wait_briefly_unless_the_environment_says_how(monkeypatch, given):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    if given is not None:
        monkeypatch.setenv(given, "7")
    before = dict(os.environ)
    with library._short_waits():
        assert dict(os.environ) == (before | {"GOMP_SPINCOUNT": "10000"} if given is None else before)
    assert dict(os.environ) == before


def test_arrays_stay_alive_and_temporaries_may_be_passed():
    a, b = np.ones((100, 100), "float32"), np.ones((100, 100), "float32")
    for _ in range(50):
        np.testing.assert_array_equal(onednn.implementations["matmul"](a + 1, b + 1), np.full((100, 100), 400))


def test_item_strides():
    assert item_strides((3, 4), (16, 4)) == (4, 1)
    assert item_strides((3, 4), (4, 12)) == (1, 3)
    assert item_strides((3, 1, 4), (16, 0, 4)) is not None
    assert item_strides((3, 4), (-16, 4)) is None  # reversed
    assert item_strides((3, 4), (0, 4)) is None  # broadcast
    assert item_strides((3, 4), (4, 4)) is None  # overlapping
    assert item_strides((3, 4), (18, 4)) is None  # between elements


def test_address_is_that_of_the_data():
    x = np.arange(12.0).reshape(3, 4)
    for view in (x, x[1:], x[:, 2:], x.T):
        assert address(view) == view.__array_interface__["data"][0]


def test_errors_name_the_call_and_the_status():
    with pytest.raises(library.OneDNNError, match=r"memory_desc_create_with_strides.*invalid arguments"):
        library.Handle("memory_desc", "memory_desc_create_with_strides", 1, library.dims((-3,)), 3, library.dims((1,)))


def test_what_onednn_has_no_code_for_is_left_to_the_next_provider(monkeypatch):
    def unimplemented(*arguments, **options):
        library.check(3, "creating")

    monkeypatch.setattr("gpunet.backend.onednn.matmul.Description", unimplemented)
    a, b = np.ones((333, 64), "float32"), np.ones((64, 77), "float32")
    for _ in range(2):
        assert onednn.implementations["matmul"](a, b) is NotImplemented
    plan._thread.plans.clear()
