"""In-place updates: assignments, optimizer steps over flat arrays, gathering gradients, the loss scale."""

# kernels: update.cu assign.cu

import numpy as np
import pytest

from gpunet.backend.devices import as_array
from gpunet.backend.portable import portable
from gpunet.backend.primitives import update as prim

RNG = np.random.default_rng(0)
SIZES = [1, 3, 4, 5, 1023, 1025, 70001]
TOLERANCE = {"float16": 1e-3, "float32": 3e-6, "float64": 1e-14}

ASSIGNED = ["float32", "float64", "float16", "int32", "int64"]


def numbers(shape, dtype):
    return (RNG.standard_normal(shape) * 9).astype(dtype)


@pytest.mark.parametrize("dtype", ASSIGNED)
@pytest.mark.parametrize("size", SIZES)
def test_assignments(gpu, size, dtype):
    before, value = numbers(size, dtype), numbers(size, dtype)
    target = as_array(before, target=gpu)
    x = as_array(value, target=gpu)
    prim.assign_add(target, x)
    np.testing.assert_array_equal(target.get(), before + value)
    prim.assign_sub(target, x)
    prim.assign_sub(target, x)
    np.testing.assert_array_equal(target.get(), before + value - value - value)
    prim.assign(target, x)
    np.testing.assert_array_equal(target.get(), value)
    prim.assign_add(target, 3)
    np.testing.assert_array_equal(target.get(), value + np.dtype(dtype).type(3))
    prim.assign(target, 7)
    np.testing.assert_array_equal(target.get(), np.full(size, 7, dtype))
    prim.assign_sub(target, 2)
    np.testing.assert_array_equal(target.get(), np.full(size, 5, dtype))
    assert gpu.launches == {
        "assign_add": 1, "assign_sub": 2, "strided_copy": 1, "add_number": 2, "assign_number": 1
    }  # fmt: skip
    assert not gpu.not_emulated


def test_assignments_broadcast_and_read_views(gpu):
    before, row, column = numbers((6, 5), "float32"), numbers(5, "float32"), numbers((6, 2), "float32")
    target = as_array(before, target=gpu)
    prim.assign_add(target, as_array(row, target=gpu))
    prim.assign_sub(target, as_array(column, target=gpu)[:, 1:])
    np.testing.assert_array_equal(target.get(), before + row - column[:, 1:])
    prim.assign(target, as_array(row, target=gpu))
    np.testing.assert_array_equal(target.get(), np.broadcast_to(row, (6, 5)))
    prim.assign(target[:, ::2], as_array(numbers((3, 6), "float32"), target=gpu).T)
    np.testing.assert_array_equal(target.get()[:, 1::2], np.broadcast_to(row, (6, 5))[:, 1::2])
    scalar = as_array(np.float32(2.5), target=gpu)
    prim.assign_add(scalar, as_array(np.float32(0.5), target=gpu))
    assert scalar.get() == 3
    assert not gpu.not_emulated


def test_assignments_that_no_kernel_takes(gpu):
    flags = as_array(np.array([True, False]), target=gpu)
    prim.assign(flags, as_array(np.array([False, True]), target=gpu))
    np.testing.assert_array_equal(flags.get(), [False, True])
    assert not gpu.not_emulated
    strided = as_array(np.zeros(6, np.float32), target=gpu)[::2]
    prim.assign_add(strided, 1.5)
    np.testing.assert_array_equal(strided.get(), [1.5] * 3)
    empty = strided[:0]
    prim.assign(empty, 1.0)
    prim.assign_add(empty, empty)
    assert gpu.not_emulated == {"add": 2, "setitem": 1}


RATE, STEPS = 0.0123, 41
# name: how many moments, attributes, whether it takes the iterations
RULES = {
    "sgd": ("sgd", 0, {}),
    "momentum": ("momentum", 1, {"momentum": 0.9, "nesterov": False}),
    "nesterov": ("momentum", 1, {"momentum": 0.8, "nesterov": True}),
    "rmsprop": ("rmsprop", 1, {"rho": 0.9, "epsilon": 1e-3}),
    "rmsprop centered": ("rmsprop_general", "va-", {"rho": 0.7, "momentum": 0.6, "epsilon": 1e-3}),
    "rmsprop momentum": ("rmsprop_general", "v-m", {"rho": 0.7, "momentum": 0.6, "epsilon": 1e-3}),
    "rmsprop both": ("rmsprop_general", "vam", {"rho": 0.7, "momentum": 0.6, "epsilon": 1e-3}),
    "adam": ("adam", 2, {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-4}),
    "adam without means": ("adam", 2, {"beta_1": 0.0, "beta_2": 0.9, "epsilon": 1e-2}),
    "amsgrad": ("amsgrad", 3, {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}),
    "adagrad": ("adagrad", 1, {"epsilon": 1e-4}),
    "adadelta": ("adadelta", 2, {"rho": 0.9, "epsilon": 1e-4}),
    "adamax": ("adamax", 2, {"beta_1": 0.9, "beta_2": 0.8, "epsilon": 1e-4}),
    "nadam": ("nadam", 2, {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-4}),
    "lion": ("lion", 1, {"beta_1": 0.9, "beta_2": 0.8}),
    "ftrl": ("ftrl", 2, {"power": -0.5, "l1": 0.3, "l2": 0.1, "shrinkage": 0.2, "beta": 0.1}),
    "ftrl to another power": ("ftrl", 2, {"power": -0.7, "l1": 2.0, "l2": 0.0, "shrinkage": 0.0, "beta": 0.0}),
    "lamb_direction": ("lamb_direction", 1, {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-4}),
}


def scalars_of(name, rate, dtype):
    """What a rule takes after the flat arrays: learning rate, iterations, and Nadam's product."""
    step = np.array(STEPS, np.int32)
    by_name = {
        "adam": [rate, step], "amsgrad": [rate, step], "adamax": [rate, step], "lamb_direction": [step],
        "nadam": [rate, step, np.array(0.25, dtype)],
    }  # fmt: skip
    return by_name.get(name, [rate])


def arrays_of(rule, size, dtype):
    """p, g and the moments of a rule: second moments are not negative, and larger than the square of first ones."""
    name, slots, attributes = RULES[rule]
    p, g = (RNG.standard_normal(size).astype(dtype) for _ in range(2))
    moments = [RNG.random(size).astype(dtype) + dtype(0.5) for _ in range(slots if isinstance(slots, int) else 3)]
    if isinstance(slots, str):
        moments[1] = (RNG.random(size) * 0.5).astype(dtype)
        moments = [m if slot != "-" else None for m, slot in zip(moments, slots)]
    if name == "lion":  # in both directions, and none so short that rounding turns it
        moments[0] = (moments[0] - dtype(1)) * dtype(10)
        g = np.copysign(abs(g) + dtype(0.1), g) * dtype(10) - dtype(9) * moments[0]
    return name, [p, g, *moments], attributes


def reference(name, arrays, scalars, attributes):
    """The portable implementation in float64."""
    wide = [None if a is None else a.astype(np.float64) for a in arrays]
    function = portable.bind(getattr(prim, name), np)
    function(*wide, *scalars, **attributes)
    return wide


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 3, 4, 5, 1025, 70001])
@pytest.mark.parametrize("rule", RULES)
def test_steps(gpu, rule, size, dtype):
    name, arrays, attributes = arrays_of(rule, size, dtype)
    rate = np.array(RATE, np.float64 if size % 2 else np.float32)  # either dtype with either arena
    scalars = scalars_of(name, rate, dtype)
    expected = reference(name, arrays, scalars, attributes)
    on_gpu = [None if a is None else as_array(a, target=gpu) for a in arrays]
    scalars = [as_array(x, target=gpu) for x in scalars]
    getattr(prim, name)(*on_gpu, *scalars, **attributes)
    for found, wanted in zip(on_gpu, expected):
        if found is not None:
            # Ftrl subtracts neighbouring powers and divides the difference by the learning rate.
            tolerance = TOLERANCE[np.dtype(dtype).name] * (300 if name == "ftrl" else 1)
            np.testing.assert_allclose(found.get(), wanted, rtol=tolerance, atol=tolerance)
    assert sum(gpu.launches.values()) == 1
    assert not gpu.not_emulated


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_lion_stays_where_it_is_without_a_direction(gpu, device):
    place = gpu if device == "gpu" else None
    values = np.array([[1, 2, -3, 4, 5], [0, 2, -2, np.nan, 0], [0, -1, 1, 0, 0]], np.float32)
    p, g, m, rate = (as_array(x.copy(), target=place) for x in (*values, np.array(0.5, np.float32)))
    prim.lion(p, g, m, rate, beta_1=0.9, beta_2=0.8)
    np.testing.assert_array_equal(np.asarray(p.view(np.ndarray)), np.float32([1, 2.5, -3.5, np.nan, 5]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("steps", [0, 1, 9, 10**6])
def test_adam_at_other_steps(gpu, steps, dtype):
    name, arrays, attributes = arrays_of("adam", 6, dtype)
    step = [np.array(steps, np.int32)]
    expected = reference(name, arrays, [np.float32(RATE), *step], attributes)
    on_gpu = [as_array(a, target=gpu) for a in arrays]
    prim.adam(*on_gpu, *(as_array(x, target=gpu) for x in (np.array(RATE, np.float32), *step)), **attributes)
    np.testing.assert_allclose(on_gpu[0].get(), expected[0], rtol=3e-6 if dtype == np.float32 else 1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_product_of_nadam(gpu, dtype):
    product = as_array(np.array(0.5, dtype), target=gpu)
    prim.nadam_product(product, as_array(np.array(7, np.int32), target=gpu), beta_1=0.9)
    np.testing.assert_allclose(
        product.get(), 0.5 * 0.9 * (1 - 0.5 * 0.96**8), rtol=1e-6 if dtype == np.float32 else 1e-14
    )
    assert gpu.launches == {"nadam_product": 1}
    assert not gpu.not_emulated


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_weight_decay(gpu, size, dtype):
    p = RNG.standard_normal(size).astype(dtype)
    on_gpu = as_array(p, target=gpu)
    prim.weight_decay(on_gpu, as_array(np.array(RATE, np.float32), target=gpu), rate=3.0)
    np.testing.assert_allclose(on_gpu.get(), p * (1 - 3 * np.float64(np.float32(RATE))), rtol=3e-7)
    assert gpu.launches == {"weight_decay": 1}


@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("rule", [*RULES, "weight decay", "count", "nadam product"])
def test_a_step_that_is_skipped_changes_nothing(gpu, rule, device):
    place = gpu if device == "gpu" else None
    rate, step = (as_array(x, target=place) for x in (np.array(RATE, np.float32), np.array(STEPS, np.int32)))
    if rule == "weight decay":
        arrays, call = [np.ones(9)], lambda p, skip: prim.weight_decay(p, rate, rate=0.5, skip=skip)
    elif rule == "nadam product":
        arrays, call = [np.ones(())], lambda p, skip: prim.nadam_product(p, step, beta_1=0.9, skip=skip)
    elif rule == "count":
        arrays, call = [np.array(4, np.int32)], lambda t, skip: prim.count_step(t, skip=skip)
    else:
        name, arrays, attributes = arrays_of(rule, 9, np.float64)
        scalars = [as_array(x, target=place) for x in scalars_of(name, np.array(RATE, np.float32), np.float64)]
        call = lambda *a, skip: getattr(prim, name)(*a, *scalars, skip=skip, **attributes)
    here = [None if a is None else as_array(a.copy(), target=place) for a in arrays]
    call(*here, skip=as_array(np.array(1, np.int32), target=place))
    for a, b in zip(arrays, here):
        assert a is None or np.array_equal(a, np.asarray(b.get() if device == "gpu" else b))
    call(*here, skip=as_array(np.array(0, np.int32), target=place))
    assert not np.array_equal(arrays[0], np.asarray(here[0].get() if device == "gpu" else here[0]))


def test_updates_of_parts_that_are_not_aligned(gpu):
    p, g = (as_array(RNG.standard_normal(9), target=gpu) for _ in range(2))
    before = p.get()
    prim.sgd(p[1:], g[1:], as_array(np.array(0.5), target=gpu))
    np.testing.assert_allclose(p.get()[1:], (before - 0.5 * g.get())[1:])
    assert p.get()[0] == before[0]
    assert not gpu.launches


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 19])
def test_gather(gpu, count, dtype):
    shapes = [(1,), (3, 5), (1025,), (4,), (2, 3, 2), (), (70001,), (7,)]
    values = [RNG.standard_normal(shapes[i % 8]).astype(dtype) for i in range(count)]
    places = np.cumsum([0, *(-(-v.size // 64) * 64 for v in values)])
    flat = as_array(np.full(places[-1] + 64, -1, dtype), target=gpu)
    targets = [flat[at + 64 : at + 64 + v.size].reshape(v.shape) for at, v in zip(places, values)]
    prim.gather(flat, targets, [as_array(v, target=gpu) for v in values])
    expected = np.full(places[-1] + 64, -1, dtype)
    for at, v in zip(places, values):
        expected[at + 64 : at + 64 + v.size] = v.reshape(-1)
    np.testing.assert_array_equal(flat.get(), expected)
    assert gpu.launches == {"gather": -(-count // 8)}
    assert not gpu.not_emulated


@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("bad", [None, (0, 0), (0, 4), (1, 4), (9, 2)])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_gather_unscales_and_checks(gpu, bad, value, device):
    place = gpu if device == "gpu" else None
    values = [RNG.standard_normal(5).astype(np.float32) for _ in range(10)]
    if bad:
        values[bad[0]][bad[1]] = value
    flat = as_array(np.zeros(640, np.float32), target=place)
    targets = [flat[64 * i : 64 * i + 5] for i in range(10)]
    scale = as_array(np.array(64, np.float32), target=place)
    nonfinite = as_array(np.array(0, np.int32), target=place)
    prim.gather(flat, targets, [as_array(v, target=place) for v in values], scale=scale, nonfinite=nonfinite)
    np.testing.assert_array_equal([np.asarray(t.view(np.ndarray)) for t in targets], np.array(values) / 64)
    assert int(nonfinite) == (bad is not None)


def test_gather_of_other_operands(gpu):
    flat = as_array(np.zeros(64, np.float32), target=gpu)
    view = as_array(RNG.standard_normal((3, 4)).astype(np.float32), target=gpu).T
    prim.gather(flat, [flat[:12].reshape(4, 3)], [view])
    np.testing.assert_array_equal(flat.get()[:12], view.get().reshape(-1))
    assert gpu.launches == {"strided_copy": 1, "gather": 1}
    prim.gather(flat, [], [])
    half = as_array(np.ones(3, np.float16), target=gpu)
    prim.gather(flat, [flat[:3]], [half])
    np.testing.assert_array_equal(flat.get()[:3], np.ones(3))
    assert gpu.not_emulated == {"setitem": 1}


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_loss_scale(gpu, device):
    place = gpu if device == "gpu" else None
    scale = as_array(np.array(1024, np.float32), target=place)
    good, flag = (as_array(np.array(0, np.int32), target=place) for _ in range(2))
    seen = []
    for overflow in [0, 0, 0, 0, 1, 0, 0, 0, 1, 1]:
        prim.assign(flag, overflow)
        prim.adjust_loss_scale(scale, good, flag, growth_steps=3)
        assert int(flag) == 0
        seen.append((float(scale), int(good)))
    assert seen == [
        (1024, 1), (1024, 2), (2048, 0), (2048, 1), (1024, 0), (1024, 1), (1024, 2), (2048, 0), (1024, 0), (512, 0)
    ]  # fmt: skip
    iterations = as_array(np.array(5, np.int32), target=place)
    prim.count_step(iterations)
    assert int(iterations) == 6
