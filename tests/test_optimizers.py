"""Optimizers: the arena, several optimizers and late variables, freezing, clipping, decay, configurations."""

import copy
import pickle
from contextlib import nullcontext

import numpy as np
import pytest

import gpunet as keras
from gpunet import optimizers
from gpunet.optimizers import SGD, Adam, Optimizer
from gpunet.testing import emulated_gpu

RNG = np.random.default_rng(0)


def variables(*shapes, dtype="float32"):
    return [keras.Variable(RNG.standard_normal(s).astype(dtype)) for s in shapes]


def gradients(vs):
    return [keras.Tensor(RNG.standard_normal(v.shape).astype(v.dtype)) for v in vs]


def test_variables_keep_their_values_in_the_arena():
    vs = variables((3, 4), (5,), (), (2, 1, 2))
    before = [v.numpy() for v in vs]
    Adam().build(vs)
    for v, b in zip(vs, before):
        np.testing.assert_array_equal(v, b)
    starts = [v.array.__array_interface__["data"][0] for v in vs]
    assert all((s - starts[0]) % 256 == 0 for s in starts)
    vs[1].assign(np.arange(5.0))
    np.testing.assert_array_equal(vs[0], before[0])
    np.testing.assert_array_equal(vs[1], np.arange(5.0))


@pytest.mark.parametrize("where", [nullcontext, emulated_gpu], ids=["cpu", "gpu"])
def test_large_variables_are_updated_by_calls_of_their_own_where_threads_keep_to_them(where):
    with where():
        shapes = (2,), (1 << 15,), (3,), (256, 128), (4,), (5, 1 << 13)
        vs = variables(*shapes)
        optimizer = SGD(0.5)
        optimizer.build(vs)
        updated = []
        optimizer.update_run = lambda arena, run, rate: updated.append((run.start, run.stop))
        optimizer.apply(gradients(vs), vs)
        starts = [0, 64, 32832, 32896, 65664, 65728]  # in steps of 64 items
        ends = [start + v.size for start, v in zip(starts, vs)]
        apart = [(0, ends[2]), (starts[3], ends[4]), (starts[5], ends[5])]
        assert updated == (apart if where is nullcontext else [(0, ends[5])])


def test_variables_without_a_gradient_or_frozen_stay():
    vs = variables((3,), (4,), (5,))
    before = [v.numpy() for v in vs]
    optimizer = Adam(0.1)
    g = gradients(vs)
    vs[2].trainable = False
    optimizer.apply([g[0], None, g[2]], vs)
    assert (vs[0].numpy() != before[0]).all()
    np.testing.assert_array_equal(vs[1], before[1])
    np.testing.assert_array_equal(vs[2], before[2])
    with pytest.raises(ValueError, match="No gradients"):
        optimizer.apply([None] * 3, vs)
    vs[2].trainable = True
    optimizer.apply(g, vs)
    assert (vs[2].numpy() != before[2]).all()


NAMES = "SGD RMSprop Adam AdamW Adagrad Adadelta Adamax Nadam Ftrl Lion Lamb Adafactor".split()
BUILT_IN = [getattr(optimizers, name) for name in NAMES]


@pytest.mark.parametrize("make", [*BUILT_IN, lambda: SGD(momentum=0.9), lambda: Adam(amsgrad=True)])
def test_a_skipped_variable_has_its_own_history(make):
    """Updating variables one by one, in any company, is the same as updating them together."""
    together, apart = variables((3,), (2, 2)), []
    apart = [keras.Variable(v.numpy()) for v in together]
    one, *others = make(), make(), make()
    for step in range(4):
        g = gradients(together)
        one.apply(g, together)
        for optimizer, v, each in zip(others, apart, g):
            optimizer.apply([each], [v])
        assert int(one.iterations) == step + 1
    for a, b in zip(together, apart):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_late_variables_and_other_orders():
    a, b = variables((3,), (4,))
    optimizer = SGD(0.1, momentum=0.9)
    reference = {id(v): (v.numpy().astype("float64"), np.zeros(v.shape)) for v in (a, b)}

    def apply(*vs):
        g = gradients(vs)
        optimizer.apply(g, list(vs))
        for v, each in zip(vs, g):
            w, m = reference[id(v)]
            m = 0.9 * m - 0.1 * each.numpy()
            reference[id(v)] = (w + m, m)

    apply(a)
    apply(a, b)
    apply(b, a)
    apply(b)
    for v in (a, b):
        np.testing.assert_allclose(v, reference[id(v)][0], rtol=1e-5)


def test_two_optimizers_share_a_variable():
    (v,) = variables((4,))
    w = v.numpy()
    first, second = SGD(0.1), SGD(0.01, momentum=0.5)
    for optimizer, rate in ((first, 0.1), (second, 0.01), (first, 0.1)):
        (g,) = gradients([v])
        optimizer.apply([g], [v])
        w = w - rate * g.numpy()
    np.testing.assert_allclose(v, w, rtol=1e-5)


def test_several_dtypes_at_once():
    narrow, wide = variables((3,))[0], variables((2,), dtype="float64")[0]
    before = wide.numpy()
    optimizer = SGD(0.5)
    optimizer.apply([np.ones(3, "float32"), np.ones(2, "float64")], [narrow, wide])
    np.testing.assert_allclose(wide, before - 0.5, rtol=1e-12)
    assert (narrow.dtype, wide.dtype) == ("float32", "float64")


def test_on_the_stand_in_gpu():
    values, g = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4))
    options = {"use_ema": True, "clipnorm": 1.0, "weight_decay": 0.1}
    for make in BUILT_IN:
        found = []
        for on_gpu in (False, True):
            optimizer = make(0.1, **options)
            if on_gpu:
                with emulated_gpu():
                    v = keras.Variable(values)
                    for _ in range(3):
                        optimizer.apply([keras.Tensor(g)], [v])
                    assert v.device.kind == "gpu"
                    found.append(v.numpy())
            else:
                v = keras.Variable(values)
                for _ in range(3):
                    optimizer.apply([g], [v])
                found.append(v.numpy())
        np.testing.assert_allclose(*found, rtol=2e-6, err_msg=make.__name__)


@pytest.mark.parametrize("where", ["cpu", "gpu"])
@pytest.mark.parametrize("make", BUILT_IN)
def test_a_step_whose_scaled_gradients_overflow_is_left_out(make, where):
    with emulated_gpu() if where == "gpu" else nullcontext():
        vs = [keras.Variable(np.ones(shape, "float32")) for shape in ((2, 3), (4,))]
        inner = make(0.01)
        optimizer = optimizers.LossScaleOptimizer(inner, initial_scale=4.0)
        optimizer.apply([np.ones((2, 3), "float32"), np.ones(4, "float32")], vs)
        state = [v.numpy() for v in (*vs, *inner.variables)]
        optimizer.apply([np.full((2, 3), np.inf, "float32"), np.full(4, np.nan, "float32")], vs)
        for before, v in zip(state, (*vs, *inner.variables)):
            np.testing.assert_array_equal(before, v.numpy(), err_msg=v.path)
        optimizer.apply([np.ones((2, 3), "float32"), np.ones(4, "float32")], vs)
        assert all((before != v.numpy()).all() for before, v in zip(state, vs))


def test_optimizers_refuse_bad_arguments():
    with pytest.raises(ValueError, match="`beta_1` must be in the .* Received: beta_1=0"):
        optimizers.Lion(beta_1=0)
    with pytest.raises(ValueError, match="`weight_decay` must be a float. Received: weight_decay=None"):
        optimizers.AdamW(weight_decay=None)
    with pytest.raises(ValueError, match="`learning_rate_power` needs to be negative or zero. Received: .*=0.5"):
        optimizers.Ftrl(learning_rate_power=0.5)
    with pytest.raises(ValueError, match="`l1_regularization_strength` needs to be positive or zero. Received: .*=-1"):
        optimizers.Ftrl(l1_regularization_strength=-1)


def test_initial_values_of_moments():
    vs = variables((3,), (2, 2))
    optimizer = optimizers.Adagrad(initial_accumulator_value=0.25)
    optimizer.build(vs)
    for moment in optimizer.variables[2:]:
        np.testing.assert_array_equal(moment, np.full(moment.shape, 0.25))


def test_a_matrix_of_adafactor_has_row_and_column_means():
    optimizer = optimizers.Adafactor()
    optimizer.build(variables((3, 4), (2, 3, 5), (6,)))
    assert [v.shape for v in optimizer.variables[2:]] == [
        (3,), (4,), (3, 4), (2, 3), (2, 5), (2, 3, 5), (), (), (6,)
    ]  # fmt: skip


def test_weight_decay_spares_the_excluded():
    kernel, bias = keras.Variable(np.ones(3), name="kernel"), keras.Variable(np.ones(3), name="bias")
    optimizer = SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([np.zeros(3), np.zeros(3)], [kernel, bias])
    np.testing.assert_allclose(kernel, np.full(3, 0.95))
    np.testing.assert_allclose(bias, np.ones(3))


def test_constraints_after_the_update():
    v = keras.Variable(np.array([3.0, -4.0]))
    v.constraint = keras.constraints.NonNeg()
    SGD(1.0).apply([np.array([1.0, 1.0])], [v])
    np.testing.assert_array_equal(v, [2.0, 0.0])


def test_gradients_are_not_changed_and_not_kept():
    (v,) = variables((3,))
    g = np.array([1.0, 2.0, 3.0], "float32")
    optimizer = Adam(0.1, clipnorm=0.1)
    optimizer.apply([g], [v])
    np.testing.assert_array_equal(g, [1, 2, 3])
    g[...] = 100
    after = v.numpy()
    optimizer.apply([np.zeros(3, "float32")], [v])
    assert np.abs(v.numpy() - after).max() < 0.2


def test_wrong_gradients():
    (v,) = variables((3,))
    optimizer = SGD()
    with pytest.raises(ValueError, match=r"must have its shape \(3,\). Received: \(4,\)"):
        optimizer.apply([np.zeros(4)], [v])
    with pytest.raises(ValueError, match="1 gradients, 2 variables"):
        optimizer.apply([np.zeros(3)], [v, v])
    with pytest.raises(ValueError, match="already be built"):
        SGD().apply([np.zeros(3)])


def test_the_learning_rate_is_a_variable():
    optimizer = SGD(0.5)
    assert optimizer.learning_rate == 0.5
    optimizer.learning_rate = 0.25
    optimizer.learning_rate.assign(optimizer.learning_rate * 2)
    (v,) = variables((1,))
    before = v.numpy()
    optimizer.apply([np.ones(1)], [v])
    np.testing.assert_allclose(v, before - 0.5, rtol=1e-6)
    with pytest.raises(ValueError, match="number"):
        optimizer.learning_rate = "fast"
    with pytest.raises(ValueError, match="number"):
        optimizers.SGD("0.1")


def test_arguments_of_older_versions():
    with pytest.raises(ValueError, match=r"not recognized: {'lr': 0.1}"):
        optimizers.Adam(lr=0.1)
    with pytest.warns(UserWarning, match="`decay` is no longer supported"):
        optimizers.Adam(0.1, decay=1e-3)


@pytest.mark.parametrize("where", ["cpu", "gpu"])
def test_a_schedule_sets_the_rate_before_each_update(where):
    rates = [1.0, 1.0, 0.5, 0.25]
    schedule = optimizers.schedules.PiecewiseConstantDecay([1, 2], [1.0, 0.5, 0.25])
    with emulated_gpu() if where == "gpu" else nullcontext():
        optimizer = SGD(schedule)
        v = keras.Variable(np.zeros(3, "float32"))
        for step, rate in enumerate(rates):
            assert float(optimizer.learning_rate) == rate
            optimizer.apply([np.ones(3, "float32")], [v])
            np.testing.assert_allclose(v, np.full(3, -sum(rates[: step + 1])))
        assert optimizer._learning_rate.device == v.device
        assert [x.name for x in optimizer.variables] == ["iteration"]


def test_schedules_in_optimizers():
    optimizer = Adam(optimizers.schedules.CosineDecay(0.1, 10))
    copy = optimizers.deserialize(optimizers.serialize(optimizer))
    assert copy.get_config() == optimizer.get_config()
    assert float(copy.learning_rate) == float(optimizer.learning_rate)
    with pytest.raises(TypeError, match="learning rate is not settable"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = optimizers.schedules.ExponentialDecay(0.2, 10, 0.5)
    np.testing.assert_allclose(float(optimizer.learning_rate), 0.2, rtol=1e-6)
    rates = iter([0.5, 0.25])
    (v,) = variables((1,))
    before = v.numpy()
    optimizer = SGD(lambda: next(rates))
    for _ in range(2):
        optimizer.apply([np.ones(1, "float32")], [v])
    np.testing.assert_allclose(v, before - 0.75, rtol=1e-6)
    optimizer = SGD(0.1)
    optimizer.learning_rate = optimizers.schedules.ExponentialDecay(0.2, 10, 0.5)
    assert optimizer.variables == [optimizer.iterations]
    scaled = optimizers.LossScaleOptimizer(optimizer, name="scaled")
    np.testing.assert_allclose(float(scaled.learning_rate), 0.2, rtol=1e-6)


@pytest.mark.parametrize("name", list(optimizers.schedules.catalog.entries))
def test_schedules_refuse_bad_arguments(name):
    schedules = optimizers.schedules
    make = getattr(schedules, name)
    if name == "PiecewiseConstantDecay":
        with pytest.raises(ValueError, match="1 less than the length of values"):
            make([1, 2], [0.1, 0.2])
        return
    extra = (0.5,) if name in ("ExponentialDecay", "InverseTimeDecay") else ()
    with pytest.raises(ValueError, match=r"decay_steps` must be > 0. Received: .*=0"):
        make(0.1, 0, *extra)


def test_variables_and_names():
    layer = keras.layers.Dense(2, name="d")
    layer.build((None, 3))
    optimizer = Adam(name="adam")
    optimizer.build(layer.trainable_variables)
    assert [v.path for v in optimizer.variables] == [
        "adam/iteration",
        "adam/learning_rate",
        "adam/d_kernel_momentum",
        "adam/d_kernel_velocity",
        "adam/d_bias_momentum",
        "adam/d_bias_velocity",
    ]


@pytest.mark.parametrize("name", [*NAMES, *map(str.lower, NAMES), "RMSProp"])
def test_lookup_and_configuration(name):
    optimizer = optimizers.get(name)
    options = {"learning_rate": 0.3, "weight_decay": 0.1, "global_clipnorm": 2.0, "use_ema": True, "ema_momentum": 0.5}
    changed = type(optimizer)(**options)
    copy = optimizers.deserialize(optimizers.serialize(changed))
    assert type(copy) is type(optimizer)
    assert copy.get_config() == changed.get_config()
    assert options.items() <= (copy.get_config() | {"learning_rate": round(float(copy.learning_rate), 6)}).items()


def test_an_optimizer_of_ones_own():
    class SignSGD(Optimizer):
        def __init__(self, learning_rate=0.1):
            super().__init__(learning_rate=learning_rate)

        def build(self, variables):
            super().build(variables)
            self.counts = [self.add_variable_from_reference(v, name="count") for v in variables]

        def update_step(self, gradient, variable, learning_rate):
            self.assign_add(self.counts[self._get_variable_index(variable)], keras.ops.ones_like(variable))
            self.assign_sub(variable, learning_rate * keras.ops.sign(gradient))

    vs = variables((2,), (3,))
    before = [v.numpy() for v in vs]
    optimizer = SignSGD()
    optimizer.apply(gradients(vs), vs)
    for v, b in zip(vs, before):
        np.testing.assert_allclose(np.abs(v.numpy() - b), 0.1, rtol=1e-5)
    np.testing.assert_array_equal(optimizer.counts[1], np.ones(3))


@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("make", [lambda **options: Adam(0.1, amsgrad=True, **options), *BUILT_IN])
def test_a_copy_goes_on_by_itself(how, make):
    vs = variables((3,), (2, 2))
    optimizer = make(use_ema=True, gradient_accumulation_steps=2, weight_decay=0.1)
    optimizer.exclude_from_weight_decay([vs[0]])
    for _ in range(3):
        optimizer.apply(gradients(vs), vs)
    kept = [v.numpy() for v in vs]
    other, other_vs = how((optimizer, vs))
    later = [gradients(vs) for _ in range(3)]
    for g in later:
        other.apply(g, other_vs)
    for v, k in zip(vs, kept):
        np.testing.assert_array_equal(v, k)
    assert any((o.numpy() != k).any() for k, o in zip(kept, other_vs))
    for g in later:
        optimizer.apply(g, vs)
    for v, o in zip([*vs, *optimizer.variables], [*other_vs, *other.variables]):
        np.testing.assert_array_equal(v, o)


def test_loss_scale():
    optimizer = SGD(0.1, loss_scale_factor=1024.0)
    v = keras.Variable(2.0)
    with keras.GradientTape() as tape:
        scaled = optimizer.scale_loss(v * v)
    assert float(scaled) == 4096.0
    optimizer.apply([tape.gradient(scaled, v)], [v])
    np.testing.assert_allclose(v, 2.0 - 0.1 * 4.0, rtol=1e-6)


def test_schedule_free_adamw_follows_its_paper():
    """Keras under PyTorch reads z after its update, where the paper has it before: so no comparison with Keras."""
    random = np.random.default_rng(3)
    y = random.normal(size=5)
    variable = keras.Variable(y, dtype="float64")
    optimizer = optimizers.ScheduleFreeAdamW(0.1, beta_1=0.8, beta_2=0.95, warmup_steps=4)
    z, x, second = y.copy(), y.copy(), np.zeros(5)
    for step in range(1, 9):
        g = random.normal(size=5)
        optimizer.apply([g], [variable])
        second = 0.95 * second + 0.05 * g * g
        z = z - 0.1 * min(step / 4, 1) * g / (np.sqrt(second / (1 - 0.95**step)) + 1e-8)
        x = (1 - 1 / step) * x + z / step
        np.testing.assert_allclose(variable, 0.2 * z + 0.8 * x, rtol=1e-6)


def test_several_optimizers_in_one():
    first, second = keras.Variable([1.0, 2.0], name="a"), keras.Variable([[3.0]], name="b")
    slow, fast = optimizers.SGD(0.1), optimizers.SGD(1.0)
    optimizer = optimizers.MultiOptimizer(optimizers.OptimizerMap(slow, {"b": fast}))
    values, own = None, None
    optimizer.build([first, second])
    values, own = optimizer.stateless_apply(optimizer.variables, [np.ones(2), np.ones((1, 1))], [first, second])
    np.testing.assert_allclose(first, [1.0, 2.0])
    optimizer.apply([np.ones(2), np.ones((1, 1))], [first, second])
    np.testing.assert_allclose(first, [0.9, 1.9], rtol=1e-6)
    np.testing.assert_allclose(second, [[2.0]])
    for found, expected in zip([*values, *own], [first, second, *optimizer.variables], strict=True):
        np.testing.assert_array_equal(found, expected)
    copy = optimizers.deserialize(optimizers.serialize(optimizer))
    assert [float(o.learning_rate) for o in copy.optimizers] == [1.0, np.float32(0.1)]
    with pytest.raises(AttributeError, match="individual sub-optimizers"):
        optimizer.learning_rate = 0.1
    with pytest.raises(ValueError, match="LossScaleOptimizer cannot be used inside"):
        optimizers.MultiOptimizer(lambda v: optimizers.LossScaleOptimizer(slow)).build([first])


def test_a_variable_takes_its_gradient():
    variable, other = keras.Variable([1.0, 2.0]), keras.Variable([1.0])
    variable.overwrite_with_gradient = True
    optimizers.SGD(0.5).apply([np.array([5.0, 6.0]), np.array([1.0])], [variable, other])
    np.testing.assert_array_equal(variable, [5.0, 6.0])
    np.testing.assert_array_equal(other, [0.5])


def test_a_schedule_counts_calls_with_accumulation():
    class Count(optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return keras.ops.cast(step, "float32")

    x = keras.Variable(0.0)
    optimizer = SGD(Count(), gradient_accumulation_steps=2)
    found = []
    for _ in range(6):
        optimizer.apply([keras.Tensor(np.float32(1))], [x])
        found.append(float(x))
    assert found == [0, -1, -1, -4, -4, -9]  # as Keras: the rates of calls 1, 3 and 5
    assert float(optimizer.learning_rate) == 6
