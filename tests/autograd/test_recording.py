"""What tapes keep: variables must not change under them, nothing else is recorded, and memory is given back."""

import gc
import threading
import weakref

import numpy as np
import pytest

import gpunet
from gpunet import GradientTape, Tensor, Variable, ops
from gpunet.autograd.tape import state


def same(found, expected):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


# Versions: what was saved must still be there.


def test_assigning_a_variable_before_backward_is_an_error():
    v = Variable([1.0, 2.0], name="weights")
    with GradientTape() as tape:
        y = ops.sum(v * v)
    v.assign([5.0, 6.0])
    with pytest.raises(RuntimeError, match="variable 'weights' was assigned after the tape recorded its use"):
        tape.gradient(y, v)


@pytest.mark.parametrize("change", ["assign_add", "assign_sub", "setitem", "touched"])
def test_every_way_of_changing_a_variable_is_noticed(change):
    v = Variable([1.0, 2.0])
    with GradientTape() as tape:
        y = ops.sum(ops.exp(v) * v)
    if change == "setitem":
        v[0] = 7.0
    elif change == "touched":
        v.touched()
    else:
        getattr(v, change)([1.0, 1.0])
    with pytest.raises(RuntimeError, match="was assigned"):
        tape.gradient(y, v)


def test_assigning_is_allowed_where_the_value_is_not_needed():
    v = Variable([1.0, 2.0])
    with GradientTape() as tape:
        y = ops.sum(v + 1.0)
    v.assign([5.0, 6.0])
    same(tape.gradient(y, v), [1, 1])


def test_the_value_of_a_variable_survives_an_assignment():
    v = Variable([1.0, 2.0])
    with GradientTape() as tape:
        now = v.value
        y = ops.sum(now * now)
        v.assign([5.0, 6.0])
    same(y, 5)
    same(tape.gradient(y, v), [2, 4])


@pytest.mark.parametrize("view", [lambda v: ops.reshape(v, (2, 1)), ops.transpose, lambda v: v[:], lambda v: +v])
def test_a_view_of_a_variable_is_a_value(view):
    v = Variable([1.0, 2.0])
    seen = view(v)
    v.assign([5.0, 6.0])
    same(ops.reshape(seen, (-1,)), [1, 2])


# What is not recorded.


def test_nothing_is_recorded_outside_a_tape():
    v = Variable([1.0, 2.0])
    y = ops.sum(ops.exp(v) * v)
    assert y._node is None
    assert state.base is None
    assert not state.tapes


def test_only_what_depends_on_something_watched_is_recorded():
    v, constant = Variable([1.0, 2.0]), Tensor([1.0, 2.0])
    with GradientTape():
        assert ops.exp(constant)._node is None
        assert ops.exp(v)._node is not None
        assert ops.argmax(v)._node is None
        assert isinstance(ops.exp(np.ones(2)), np.ndarray)


def test_no_grad():
    v = Variable(3.0)
    with GradientTape() as tape:
        a = v * v
        with gpunet.no_grad():
            b = a * 5.0
        y = a + b
    assert b._node is None
    same(tape.gradient(y, v), 6)


def test_stop_gradient():
    v = Variable(3.0)
    with GradientTape() as tape:
        y = v * ops.stop_gradient(v * v)
    same(tape.gradient(y, v), 9)


def test_branches_that_lead_to_no_source_are_not_walked():
    walked = []

    @gpunet.custom_gradient
    def noted(x, name):
        return x * 1.0, lambda g: walked.append(name) or g

    a, b = Variable(2.0), Variable(3.0)
    with GradientTape(persistent=True) as tape:
        y = noted(a, "a") * noted(b, "b")
    same(tape.gradient(y, b), 2)
    assert walked == ["b"]
    tape.gradient(y, [a, b])
    assert sorted(walked) == ["a", "b", "b"]


def test_saved_arrays_are_freed_after_backward():
    v = Variable(np.ones(1000, "float32"))
    with GradientTape() as tape:
        middle = v * 2
        held = weakref.ref(middle)
        y = ops.sum(ops.exp(middle))
    saved = weakref.ref(middle.array)
    del middle
    assert saved() is not None or held() is None
    tape.gradient(y, v)
    gc.collect()
    assert saved() is None


def test_an_unused_tape_keeps_nothing_alive():
    v = Variable(np.ones(1000, "float32"))
    with GradientTape():
        middle = ops.exp(v)
        y = ops.sum(middle * middle)
    saved = weakref.ref(middle.array)
    del middle, y
    gc.collect()
    assert saved() is None


def test_the_tape_of_one_thread_is_not_seen_by_another():
    v = Variable(3.0)
    found = []
    with GradientTape():
        thread = threading.Thread(target=lambda: found.append((v * v)._node))
        thread.start()
        thread.join()
    assert found == [None]


def test_threads_differentiate_side_by_side():
    v = Variable(np.arange(8.0))
    results = [None] * 4

    def work(i):
        for _ in range(20):
            with GradientTape() as tape:
                y = ops.sum(v ** float(i + 1))
            results[i] = np.asarray(tape.gradient(y, v))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i, found in enumerate(results):
        same(found, (i + 1) * np.arange(8.0) ** i)


def test_an_exception_leaves_no_tape_behind():
    with pytest.raises(ZeroDivisionError), GradientTape(), GradientTape():
        raise ZeroDivisionError
    assert not state.tapes
    assert state.base is None


def test_integer_results_stop_the_gradient():
    v = Variable([1.5, 2.5])
    with GradientTape() as tape:
        y = ops.sum(ops.cast(ops.cast(v, "int32"), "float32") * v)
    same(tape.gradient(y, v), [1, 2])


def test_a_cast_between_floats_is_differentiable():
    v = Variable([1.5, 2.5])
    with GradientTape() as tape:
        y = ops.sum(ops.cast(v, "float16") ** 2)
    g = tape.gradient(y, v)
    assert g.dtype == "float32"
    same(g, [3, 5])
