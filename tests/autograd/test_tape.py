"""GradientTape: what is watched, what is recorded, and what `gradient` returns."""

import weakref

import numpy as np
import pytest

from gpunet import GradientTape, Tensor, Variable, ops


def same(found, expected):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


def test_variables_are_watched_when_they_are_used():
    v, frozen = Variable([1.0, 2.0]), Variable([3.0, 4.0], trainable=False)
    with GradientTape() as tape:
        y = ops.sum(v * v * frozen)
    dv, df = tape.gradient(y, [v, frozen])
    same(dv, [6, 16])
    assert df is None


def test_a_frozen_variable_can_be_watched():
    v = Variable([1.0, 2.0], trainable=False)
    with GradientTape() as tape:
        tape.watch(v)
        y = ops.sum(v**2)
    same(tape.gradient(y, v), [2, 4])


def test_tensors_are_watched_on_request_only():
    x = Tensor([1.0, 2.0])
    with GradientTape() as tape:
        y = ops.sum(x * x)
    assert tape.gradient(y, x) is None
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(x * x)
    same(tape.gradient(y, x), [2, 4])


def test_watch_takes_structures_and_refuses_what_has_no_gradient():
    a, b = Tensor([1.0]), Tensor([2.0])
    with GradientTape() as tape:
        tape.watch({"a": a, "more": [b]})
        y = a * b
        with pytest.raises(TypeError, match="watch expected a Tensor or Variable. Received: ndarray"):
            tape.watch(np.ones(2))
        with pytest.raises(ValueError, match="float tensor. Received: dtype=int32"):
            tape.watch(Tensor([1, 2]))
    found = tape.gradient(y, {"a": a, "more": [b]})
    assert found.keys() == {"a", "more"}
    same(found["a"], [2])
    same(found["more"][0], [1])


def test_watching_accessed_variables_can_be_turned_off():
    v, w = Variable(2.0), Variable(3.0)
    with GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(v)
        y = v * w
    dv, dw = tape.gradient(y, [v, w])
    same(dv, 3)
    assert dw is None


def test_several_targets_add_up_and_cotangents_weigh_them():
    v = Variable([1.0, 2.0])
    with GradientTape(persistent=True) as tape:
        a, b = v * 3, ops.sum(v * v)
    same(tape.gradient([a, b], v), [5, 7])
    same(tape.gradient({"a": a, "b": b}, v), [5, 7])
    same(tape.gradient(a, v, output_gradients=[10.0, 1.0]), [30, 3])
    same(tape.gradient(a, v, output_gradients=[np.array([10.0, 1.0], "float32")]), [30, 3])
    same(tape.gradient([a, b], v, output_gradients=[Tensor([1.0, 0.0]), 2.0]), [7, 8])


def test_cotangents_must_fit_their_targets():
    v = Variable([1.0, 2.0])
    with GradientTape(persistent=True) as tape:
        y = v * 3
    with pytest.raises(ValueError, match=r"target's shape \(2,\). Received: shape=\(3,\)"):
        tape.gradient(y, v, output_gradients=np.ones(3))
    with pytest.raises(ValueError, match="one entry per target. Received: 2 for 1"):
        tape.gradient([y], v, output_gradients=[y, y])


def test_unconnected_sources():
    v, other = Variable([1.0, 2.0]), Variable([[1.0]])
    with GradientTape(persistent=True) as tape:
        y = ops.sum(v)
    assert tape.gradient(y, other) is None
    zero = tape.gradient(y, other, unconnected_gradients="zero")
    assert zero.shape == (1, 1)
    same(zero, [[0]])
    with pytest.raises(ValueError, match="must be 'none' or 'zero'. Received: 'nothing'"):
        tape.gradient(y, other, unconnected_gradients="nothing")


def test_sources_and_targets_must_be_tensors():
    v = Variable(1.0)
    with GradientTape(persistent=True) as tape:
        y = v * 2
    with pytest.raises(TypeError, match="sources must be Tensors or Variables. Received: ndarray"):
        tape.gradient(y, np.ones(2))
    with pytest.raises(TypeError, match="target must be a Tensor computed inside the tape. Received: float"):
        tape.gradient(2.0, v)


def test_a_value_used_twice_sums_its_gradients():
    v = Variable([3.0])
    with GradientTape() as tape:
        a = v * 2
        y = a * a + a + v
    same(tape.gradient(y, v), [2 * 2 * 3 * 2 + 2 + 1])


def test_only_what_a_gradient_needs_is_kept():
    x, unused = Variable([1.0, 2.0]), Tensor([3.0, 4.0])
    factor = Tensor([5.0, 6.0])
    with GradientTape() as tape:
        squared = x * x
        y = squared * factor
        squared_lives = weakref.ref(squared.array)
        del squared
        z = ops.sum(y + unused)
    assert squared_lives() is None, "the factor has no gradient, so that its cotangent's other factor is not kept"
    np.testing.assert_array_equal(tape.gradient(z, x), [10.0, 24.0])


def test_a_target_of_an_earlier_tape_is_a_constant():
    x = Variable(2.0)
    with GradientTape(persistent=True) as first:
        y = x * x
    with GradientTape() as second:
        z = y * x
    np.testing.assert_array_equal(second.gradient([y, z], x), 4.0)
    np.testing.assert_array_equal(first.gradient(y, x), 4.0)


def test_a_diamond_of_many_levels_is_walked_once_per_node():
    v = Variable(1.0)
    with GradientTape() as tape:
        y = v * 1.0
        for _ in range(60):
            y = (y + y) * 0.5  # 2⁶⁰ paths
    same(tape.gradient(y, v), 1)


def test_a_long_chain_needs_no_recursion():
    v = Variable(1.0)
    with GradientTape() as tape:
        y = v * 1.0
        for _ in range(5000):
            y = y + 1.0
    same(tape.gradient(y, v), 1)


def test_a_source_in_the_middle():
    v = Variable([2.0])
    with GradientTape(persistent=True) as tape:
        middle = v * v
        y = middle * middle
    same(tape.gradient(y, middle), [8])
    same(tape.gradient(y, [v, middle])[0], [32])
    same(tape.gradient(y, y), [1])


def test_once_only_unless_persistent():
    v = Variable(3.0)
    with GradientTape() as tape:
        y = v * v
    same(tape.gradient(y, v), 6)
    with pytest.raises(RuntimeError, match=r"can only be used to compute one set of gradients.*persistent=True"):
        tape.gradient(y, v)
    with GradientTape(persistent=True) as tape:
        y = v * v
    same(tape.gradient(y, v), 6)
    same(tape.gradient(y, v), 6)


def test_gradient_inside_the_block():
    v = Variable(3.0)
    with GradientTape() as tape:
        y = v * v
        same(tape.gradient(y, v), 6)
    with GradientTape(persistent=True) as tape:
        y = v * v
        g = tape.gradient(y, v)  # the tape still records: the gradient can be differentiated
        same(g, 6)
    same(tape.gradient(g, v), 2)


def test_nested_tapes():
    x = Tensor(2.0)
    with GradientTape() as third:
        third.watch(x)
        with GradientTape() as second:
            second.watch(x)
            with GradientTape() as first:
                first.watch(x)
                y = x**4
            dy = first.gradient(y, x)
        d2y = second.gradient(dy, x)
    same(dy, 32)
    same(d2y, 48)
    same(third.gradient(d2y, x), 48)


def test_an_inner_tape_does_not_disturb_the_outer_one():
    v, w = Variable(2.0), Variable(5.0)
    with GradientTape() as outer:
        a = v * w
        with GradientTape() as inner:
            b = v**3
        same(inner.gradient(b, v), 12)
        y = a + b
    dv, dw = outer.gradient(y, [v, w])
    same(dv, 5 + 12)
    same(dw, 2)


def test_mixed_partial_derivatives():
    x, y = Variable(2.0), Variable(3.0)
    with GradientTape(persistent=True) as outer:
        with GradientTape(persistent=True) as inner:
            z = x**2 * y**3
        dx, dy = inner.gradient(z, x), inner.gradient(z, y)
    same(outer.gradient(dx, y), 2 * 2 * 3 * 9)
    same(outer.gradient(dy, x), 3 * 9 * 2 * 2)
    same(outer.gradient(dx, x), 2 * 27)


def test_recording_can_pause_and_start_anew():
    v = Variable(3.0)
    with GradientTape() as tape:
        a = v * v
        with tape.stop_recording():
            b = v * 100.0
        y = a + b
    same(tape.gradient(y, v), 6)
    with GradientTape() as tape:
        a = v * v
        tape.reset()
        y = a + v
    same(tape.gradient(y, v), 1)


def test_a_tape_can_be_entered_again():
    v = Variable(3.0)
    tape = GradientTape(persistent=True)
    with tape:
        a = v * v
        with pytest.raises(ValueError, match="already recording"), tape:
            pass
    between = a * 100.0
    with tape:
        y = a + v
    same(tape.gradient(y, v), 7)
    assert tape.gradient(between, v) is None


def test_jacobian():
    v = Variable([1.0, 2.0])
    with GradientTape(persistent=True) as tape:
        y = ops.stack([v[0] * v[1], v[0] + v[1], v[1] ** 2])
    same(tape.jacobian(y, v), [[2, 1], [1, 1], [0, 4]])
    with GradientTape() as tape:
        y = v * 2
    with pytest.raises(RuntimeError, match="persistent=True"):
        tape.jacobian(y, v)


@pytest.mark.parametrize("name", ["relu", "relu6"])
def test_rectified_units_have_no_gradient_at_zero(name):
    x = Variable([-1.0, 0.0, 0.5])
    with GradientTape() as tape:
        y = ops.sum(getattr(ops, name)(x))
    np.testing.assert_array_equal(tape.gradient(y, x), [0.0, 0.0, 1.0])
