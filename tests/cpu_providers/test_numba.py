"""The Numba provider: optimizers equal to NumPy's in every bit, batch norm against float64, when it compiles."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from gpunet.backend.cpu import cpu
from gpunet.backend.numba_cpu import (
    addends,
    compiled,
    crossentropy,
    elementwise,
    loops,
    machine_code,
    nn,
    numba,
    pooling,
    row_loops,
    team,
    update,
)
from gpunet.backend.numba_cpu import layer_norm as numba_layer_norm
from gpunet.backend.numba_cpu import rows as numba_rows
from gpunet.backend.numba_cpu import shape as numba_shape
from gpunet.backend.portable import portable
from gpunet.backend.primitives import elementwise as prim_of
from gpunet.backend.primitives import nn as prim
from gpunet.backend.primitives import pooling as pool_prim
from gpunet.backend.primitives import shape as shape_prim

from .problems import assert_close, exact, floats

pytestmark = pytest.mark.skipif(not compiled.is_installed(), reason="Numba is not installed (pip install numba)")

RATE = np.asarray(0.02, "float32")
STEP = np.asarray(7, "int32")
OPTIMIZERS = {
    "sgd": ("sgd", 2, (RATE,), {}, "_SGD"),
    "momentum": ("momentum", 3, (RATE,), {"momentum": 0.9, "nesterov": False}, "_MOMENTUM"),
    "nesterov": ("momentum", 3, (RATE,), {"momentum": 0.9, "nesterov": True}, "_NESTEROV"),
    "rmsprop": ("rmsprop", 3, (RATE,), {"rho": 0.9, "epsilon": 1e-7}, "_RMSPROP"),
    "adam": ("adam", 4, (RATE, STEP), {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}, "_ADAM"),
}


@pytest.mark.parametrize("size", [1, 17, 4096, (1 << 19) + 3])
@pytest.mark.parametrize("case", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers_equal_numpy_in_every_bit(case, size):
    name, count, scalars, attributes, loop = case
    getattr(update, loop).now(size)
    rng = np.random.default_rng(0)
    arrays = [floats(rng, size) for _ in range(count)]
    arrays[-1] **= 2
    ours, theirs = [a.copy() for a in arrays], [a.copy() for a in arrays]
    for _ in range(3):
        assert numba.implementations[name](*ours, *scalars, **attributes) is None
        cpu.implementations[name](*theirs, *scalars, **attributes)
    numba.implementations[name](*ours, *scalars, skip=np.asarray(1, "int32"), **attributes)
    for a, b in zip(ours, theirs):
        np.testing.assert_array_equal(a, b)


def test_optimizers_leave_other_arrays_to_numpy():
    update._SGD.now()
    for p in (np.ones(9), np.ones((3, 3), "float32"), np.ones(18, "float32")[::2]):
        assert numba.implementations["sgd"](p, p.copy(), RATE) is NotImplemented
        assert (p == 1).all()


@pytest.mark.parametrize("shape", [(2, 50, 33), (3, 7, 1), (4, 300, 120)], ids=str)
@pytest.mark.parametrize("relu", [False, True])
def test_adding_up_equals_numpy_in_every_bit(shape, relu, monkeypatch):
    rng = np.random.default_rng(0)
    parts, bias = floats(rng, *shape), floats(rng, shape[2])
    parts[0, 0], parts[1, 1], parts[:, 2] = np.nan, np.inf, -0.0
    addends._ADD_UP.now(1)
    for row in (bias, None, np.repeat(bias, 2)[::2]):
        expected = np.empty(shape[1:], "float32")
        addends._add_up(parts, row, relu, expected)
        out = np.empty_like(expected)
        bound = addends.bind_add_up(parts, row, relu, out)
        for run in (bound, bound, lambda: addends.add_up(parts, row, relu, out)):  # noqa: B023
            monkeypatch.setattr(addends, "_SMALL", 0)
            out[:] = 7
            run()
            np.testing.assert_array_equal(out, expected)


def crossentropy_loops(kind, items):
    for loop in (crossentropy._SHIFT[kind], crossentropy._NORMALISE, crossentropy._GRAD[kind]):
        assert loop.now(items) is not None


def softmax_problem(rows, classes, kind="i"):
    rng = np.random.default_rng(0)
    return floats(rng, rows, classes) * 5, rng.integers(0, classes, rows).astype(kind), floats(rng, rows)


@pytest.mark.parametrize("kind", ["i", "l", "B"])
@pytest.mark.parametrize("shape", [(2, 1), (2, 63), (50, 10), (9000, 10)], ids=str)
def test_crossentropy_equals_numpy_in_every_bit(shape, kind, monkeypatch):
    monkeypatch.setattr(crossentropy, "_SMALL", 0)
    logits, labels, g = softmax_problem(*shape, kind)
    crossentropy_loops(kind, logits.size)
    forward, backward = "sparse_softmax_crossentropy", "sparse_softmax_crossentropy_grad"
    loss, (probabilities,) = cpu.implementations[forward](logits, labels, residuals=True)
    gradient = cpu.implementations[backward](g, labels, probabilities)

    found = numba.implementations[forward](logits, labels, residuals=True)
    np.testing.assert_array_equal(found[0], loss)
    np.testing.assert_array_equal(found[1][0], probabilities)
    np.testing.assert_array_equal(numba.implementations[backward](g, labels, probabilities), gradient)

    out, dx = np.empty_like(loss), np.empty_like(gradient)
    bound = numba.binders[forward](logits, labels, out=out, residuals=True)
    bound_grad = numba.binders[backward](g, labels, probabilities, out=dx)
    for _ in range(5):  # the first call of each loop finds it
        bound(), bound_grad()
    np.testing.assert_array_equal(out, loss)
    np.testing.assert_array_equal(bound.parts[1], probabilities)
    np.testing.assert_array_equal(dx, gradient)


def test_crossentropy_of_numbers_that_are_none():
    logits, labels, _ = softmax_problem(50, 10)
    crossentropy_loops("i", logits.size)
    logits[1, 3], logits[2, 3], logits[3], logits[4, :2] = np.nan, np.inf, -np.inf, (np.nan, np.inf)
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        expected = cpu.implementations["sparse_softmax_crossentropy"](logits, labels)[0]
        out = np.empty_like(expected)
        bound = numba.binders["sparse_softmax_crossentropy"](logits, labels, out=out)
        for _ in range(5):
            bound()
    np.testing.assert_array_equal(out, expected)
    assert np.isnan(out[1:5]).all()


def test_a_label_out_of_range_reads_and_writes_nothing():
    logits, labels, g = softmax_problem(50, 10)
    crossentropy_loops("i", logits.size)
    labels[:2] = -1, 10
    out, dx = np.empty(50, "float32"), np.empty_like(logits)
    calls = [
        numba.binders["sparse_softmax_crossentropy"](logits, labels, out=out),
        numba.binders["sparse_softmax_crossentropy_grad"](g, labels, logits, out=dx),
    ]
    for _ in range(5):
        [call() for call in calls]
    assert np.isnan(out[:2]).all()
    assert np.isfinite(out[2:]).all()
    np.testing.assert_array_equal(dx[:2], logits[:2] * g[:2, None])


@pytest.mark.parametrize("change", ["float64", "labels", "strided", "out"])
def test_crossentropy_leaves_the_rest_to_numpy(change, monkeypatch):
    monkeypatch.setattr(crossentropy, "_SMALL", 0)
    logits, labels, g = softmax_problem(8, 10)
    crossentropy_loops("i", logits.size)
    out = np.empty(16, "float32")[::2] if change == "out" else np.empty(len(labels), "float32")
    logits = logits.astype("float64") if change == "float64" else logits
    logits = np.asfortranarray(logits) if change == "strided" else logits
    labels = labels.astype("int16") if change == "labels" else labels
    for make in (numba.implementations, numba.binders):
        assert make["sparse_softmax_crossentropy"](logits, labels, out=out) is NotImplemented
    if change in ("float64", "labels", "strided"):
        assert numba.implementations["sparse_softmax_crossentropy_grad"](g, labels, logits) is NotImplemented


@pytest.mark.parametrize("shape", [(9000,), (40, 7, 50), (1 << 20,)], ids=str)
def test_relu_grad_equals_numpy_in_every_bit(shape):
    elementwise.RELU_GRAD.now(int(np.prod(shape)))
    rng = np.random.default_rng(0)
    g, y = floats(rng, *shape), np.maximum(floats(rng, *shape), 0)
    g.reshape(-1)[:3] = np.nan, np.inf, -np.inf
    ours, theirs = (p.implementations["relu_grad"] for p in (numba, cpu))
    with np.errstate(invalid="ignore"):  # ∞·0
        expected = theirs(g, y)
    np.testing.assert_array_equal(ours(g, y), expected)
    for out in (np.empty_like(g), np.empty(shape[::-1], "float32").T):
        assert ours(g, y, out=out) is out
        np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(ours(g.T, y.T), expected.T)
    for arrays in ((g.reshape(-1)[:9], y.reshape(-1)[:9]), (g.astype("float64"), y), (g, y[:1])):
        assert ours(*arrays) is NotImplemented


@pytest.mark.parametrize("size", [1, 9000, (1 << 18) + 5])
def test_erf_equals_numpy_in_every_bit(size, monkeypatch):
    monkeypatch.setattr(elementwise, "_TINY", 1)
    elementwise._ERF.now(size)
    x = 2 * floats(np.random.default_rng(0), size)
    x[:5] = [np.nan, np.inf, -np.inf, -0.0, 3.93][:size]
    expected = cpu.implementations["erf"](x)
    np.testing.assert_array_equal(numba.implementations["erf"](x), expected)
    np.testing.assert_allclose(expected, exact(prim_of.UNARY["erf"], x), rtol=0, atol=5e-7)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("shape", [(300, 8), (30, 10, 4, 2)], ids=str)
def test_rows_are_added_as_numpy_adds_them(shape, dtype):
    rng = np.random.default_rng(0)
    g, places = floats(rng, *shape), rng.integers(-7, 7, shape[:-1] if len(shape) == 2 else shape[:2]).astype(dtype)
    for loop in numba_shape._ADD_ROWS.values():
        loop.now(g.size)
    how = {"spec": (shape_prim.ARRAY, slice(None)), "shape": (7, *g.shape[places.ndim :])}
    expected = portable.bind(shape_prim.scatter, np)(g, places, **how)
    out = np.empty_like(expected)
    assert numba.implementations["scatter"](g, places, out=out, **how) is out
    np.testing.assert_array_equal(out, expected)
    for bad in (7, -8):
        places.flat[3] = bad
        assert numba.implementations["scatter"](g, places, **how) is NotImplemented
        with pytest.raises(IndexError):
            shape_prim.scatter(g, places, **how)


@pytest.mark.parametrize("size", [9000, (1 << 18) + 5])
def test_relu_equals_numpy_in_every_bit(size):
    elementwise._RELU.now()
    elementwise._RELU.now(size)
    x = floats(np.random.default_rng(0), size)
    x[:5] = np.nan, np.inf, -np.inf, 0.0, -0.0
    y, expected = numba.implementations["relu"](x), np.maximum(x, 0)
    np.testing.assert_array_equal(y.view("uint32"), expected.view("uint32"))
    assert numba.implementations["relu"](x[:9]) is NotImplemented


@pytest.mark.parametrize(
    ("spatial", "window", "channels"),
    [((12, 12), (2, 2), 6), ((13, 11), (3, 2), 5), ((40,), (4,), 33), ((7, 9, 8), (2, 3, 2), 3)],
    ids=str,
)
def test_max_pool_grad_of_disjoint_windows(spatial, window, channels):
    for items in (1, 1 << 20):
        pooling._SCATTER.now(items)
    rng = np.random.default_rng(0)
    x = np.round(floats(rng, 60, *spatial, channels) * 2) / 2
    geometry = {"window": window, "strides": window, "padding": ((0, 0),) * len(window)}
    y, (winner,) = portable.bind(pool_prim.max_pool, np)(x, residuals=True, **geometry)
    g = floats(rng, *y.shape)
    backward = numba.implementations["max_pool_grad"]
    expected = cpu.implementations["max_pool_grad"](g, winner, spatial=spatial, **geometry)
    np.testing.assert_array_equal(backward(g, winner, spatial=spatial, **geometry), expected)
    for out in (np.ones_like(x), np.ones_like(x.T).T):
        assert backward(g, winner, spatial=spatial, out=out, **geometry) is out
        np.testing.assert_array_equal(out, expected)
    overlapping = {**geometry, "strides": (1,) * len(window)}
    assert backward(g, winner, spatial=spatial, **overlapping) is NotImplemented
    assert backward(g.astype("float64"), winner, spatial=spatial, **geometry) is NotImplemented
    assert backward(g[:1], winner[:1], spatial=spatial, **geometry) is NotImplemented


@pytest.mark.parametrize("shape", [(64, 16, 16, 8), (300, 501), (2, 5, 7, 9, 211), (131072, 1)], ids=str)
@pytest.mark.parametrize("offset", [0, 100])
def test_batch_norm(shape, offset):
    rng = np.random.default_rng(0)
    x, g = floats(rng, *shape) + np.float32(offset), floats(rng, *shape)
    gamma, beta = floats(rng, shape[-1]), floats(rng, shape[-1])
    for parameters in ((gamma, beta), (None, None)):
        (y, mean, variance), residuals = numba.implementations["batch_norm"](
            x, *parameters, epsilon=1e-3, residuals=True
        )
        expected, exact_residuals = exact(prim.batch_norm, x, *parameters, epsilon=1e-3, residuals=True)
        for result, value in zip((y, mean, variance), expected):
            assert_close(result, value, 5e-6)
        results = numba.implementations["batch_norm_grad"](g, x, parameters[0], *residuals, epsilon=1e-3)
        doubles = [None if a is None else a.astype("float64") for a in (g, x, parameters[0])]
        for result, value in zip(results, exact(prim.batch_norm_grad, *doubles, *exact_residuals, epsilon=1e-3)):
            assert_close(result, value, 2e-5)


@pytest.mark.parametrize("shape", [(64, 16, 16, 8), (300, 501), (2, 5, 7, 9, 211)], ids=str)
@pytest.mark.parametrize("has_addend", [False, True], ids=["plain", "residual"])
def test_batch_norm_then_addition_and_relu(shape, has_addend):
    rng = np.random.default_rng(0)
    x, g, gamma, beta = floats(rng, *shape), floats(rng, *shape), floats(rng, shape[-1]), floats(rng, shape[-1])
    addend = floats(rng, *shape) if has_addend else None
    forward, backward = numba.implementations["batch_norm_relu"], numba.implementations["batch_norm_relu_grad"]
    found, residuals = forward(x, gamma, beta, addend, epsilon=1e-3, residuals=True)
    expected, kept = exact(prim.batch_norm_relu, x, gamma, beta, addend, epsilon=1e-3, residuals=True)
    for result, value in zip(found, expected):
        assert_close(result, value, 5e-6)
    y = residuals[-1]
    assert y is found[0]
    options = {"epsilon": 1e-3, "with_addend": has_addend}
    results = backward(g, x, gamma, *residuals, **options)
    doubles = [a.astype("float64") for a in (g, x, gamma)]
    expected = exact(prim.batch_norm_relu_grad, *doubles, *kept[:2], y, **options)  # whose signs round alike
    assert len(results) == len(expected) == 3 + has_addend
    for result, value in zip(results, expected):
        assert_close(result, value, 2e-5)
    if has_addend:
        np.testing.assert_array_equal(results[3], np.where(y > 0, g, 0))
    for out in (np.empty_like(x), np.empty_like(x.T).T):
        assert forward(x, gamma, beta, addend, epsilon=1e-3, out=out)[0][0] is out
        np.testing.assert_array_equal(out, y)
        assert backward(g, x, gamma, *residuals, out=out, **options)[0] is out
        np.testing.assert_array_equal(out, results[0])
    dx = np.empty_like(x)
    run = numba.binders["batch_norm_relu_grad"](g, x, gamma, *residuals, out=dx, **options)
    run()
    for bound, result in zip(run.parts, results, strict=True):
        np.testing.assert_array_equal(bound, result)
    assert forward(x[:1], gamma, beta, addend, epsilon=1e-3) is NotImplemented
    assert backward(g[:1], x[:1], gamma, *residuals, **options) is NotImplemented


@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
@pytest.mark.parametrize("name", ["batch_norm", "batch_norm_relu"])
def test_bound_batch_norm_gives_the_bits_of_its_implementation(name, affine):
    rng = np.random.default_rng(0)
    x, g, out, dx = (floats(rng, 64, 16, 16, 8) for _ in range(4))
    gamma, beta = (floats(rng, 8), floats(rng, 8)) if affine else (None, None)
    relu = name == "batch_norm_relu"
    operands, options = (x, gamma, beta, *((None,) if relu else ())), {"epsilon": 1e-3, "residuals": True}
    forward = numba.binders[name](*operands, out=out, **options)
    y, mean, variance, *residuals = forward.parts
    assert y is out
    backward = numba.binders["batch_norm_grad"](g, x, gamma, *residuals[:2], out=dx, epsilon=1e-3)
    for _ in range(2):  # what is in the arrays may change
        forward()
        backward()
        expected, kept = numba.implementations[name](*operands, **options)
        for a, b in zip((y, mean, variance, *residuals), (*expected, *kept), strict=True):
            np.testing.assert_array_equal(a, b)
        expected = numba.implementations["batch_norm_grad"](g, x, gamma, *residuals[:2], epsilon=1e-3)
        for a, b in zip(backward.parts, expected, strict=True):
            np.testing.assert_array_equal(a, b)
        x *= 2
        x += 1
    assert numba.binders[name](np.asfortranarray(x), *operands[1:], out=out, **options) is None
    assert numba.binders[name](x[:1], *operands[1:], out=out[:1], **options) is NotImplemented


@pytest.mark.parametrize(("name", "has_addend"), [("", False), ("_relu", False), ("_relu", True)])
def test_scale_shift_addition_and_relu_equal_numpy(name, has_addend):
    name = "scale_shift" + name
    rng = np.random.default_rng(0)
    x, scale, shift, out = floats(rng, 64, 9, 24), floats(rng, 24), floats(rng, 24), floats(rng, 64, 9, 24)
    addend = [floats(rng, *x.shape) if has_addend else None] if name.endswith("relu") else []
    loop = nn._NORMALISE_ADD_RELU if has_addend else nn._NORMALISE
    assert loop.now(x.size) is not None  # compiled by now
    expected = cpu.implementations[name](x, scale, shift, *addend)
    found = numba.implementations[name](x, scale, shift, *addend)
    run = numba.binders[name](x, scale, shift, *addend, out=out)
    assert run() is out
    for y in (found, out):
        np.testing.assert_array_equal(y, expected)
    assert numba.implementations[name](x[:1], scale, shift, *[None for _ in addend]) is NotImplemented


def test_a_relu_after_batch_norm_keeps_nan():
    x = floats(np.random.default_rng(0), 4096, 40)
    x[7, 3] = np.nan
    (y, *_), _ = numba.implementations["batch_norm_relu"](x, None, None, None, epsilon=1e-3)
    np.testing.assert_array_equal(np.isnan(y).any(axis=0), np.arange(40) == 3)


def test_batch_norm_writes_into_out_and_leaves_the_rest_to_numpy():
    rng = np.random.default_rng(0)
    x = floats(rng, 4096, 40)
    forward, backward = numba.implementations["batch_norm"], numba.implementations["batch_norm_grad"]
    (y, mean, _), (_, inverse) = forward(x, None, None, epsilon=1e-3, residuals=True)
    for out in (np.empty_like(x), np.empty_like(x.T).T):
        assert forward(x, None, None, epsilon=1e-3, out=out)[0][0] is out
        np.testing.assert_array_equal(out, y)
        assert backward(x, x, None, mean, inverse, epsilon=1e-3, out=out)[0] is out
    assert forward(x.astype("float64"), None, None, epsilon=1e-3) is NotImplemented
    assert forward(x[:64], None, None, epsilon=1e-3) is NotImplemented
    assert backward(x.astype("float64"), x, None, mean, inverse, epsilon=1e-3) is NotImplemented


def test_batch_norm_does_not_depend_on_the_number_of_threads(monkeypatch):
    x = floats(np.random.default_rng(0), 8192, 64)
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(team, "parts", lambda items, threads=threads: threads)
        (y, mean, _), (_, inverse) = numba.implementations["batch_norm"](x, None, None, epsilon=1e-3, residuals=True)
        dx, dgamma, _ = numba.implementations["batch_norm_grad"](y, x, None, mean, inverse, epsilon=1e-3)
        results.append((y, dx, dgamma))
    for one, two, three in zip(*results):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_a_loop_waits_until_it_is_worth_it_and_compiles_beside(monkeypatch):
    monkeypatch.setattr(compiled, "_spent", [0.0])
    loop = compiled.Loop(loops.sgd, "void(float32[::1], float32[::1], float32, intp)", saving=1.0)
    items = int(compiled._PATIENCE // 3)
    assert loop.when_ready(items) is None
    assert loop._thread is None  # not yet
    while loop._thread is None:
        loop.when_ready(items)
    loop._thread.join()
    assert loop.when_ready(1) is not None


def test_a_loop_that_does_not_compile_leaves_the_work_to_numpy(caplog):
    loop = compiled.Loop(lambda p, parts: p.no_such_method(), "void(float32[::1], intp)")
    assert loop.now() is None
    assert loop.when_ready(1 << 60) is None
    assert loop.now() is None
    assert len(caplog.records) == 1
    assert "NumPy does its work" in caplog.text


def sgd_loop():
    return compiled.Loop(loops.sgd, "void(float32[::1], float32[::1], float32, intp)")


def test_compiled_code_is_kept_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GPUNET_HOME", str(tmp_path))
    assert sgd_loop().now() is not None
    (path,) = (tmp_path / "numba").iterdir()
    whole = path.read_bytes()
    for broken in (whole[:-1], b"", whole[:40] + b"?" + whole[41:]):
        path.write_bytes(broken)
        assert sgd_loop().now() is not None
        assert machine_code._read(path) is not None
    unwritable = tmp_path / "file"
    unwritable.write_text("")
    monkeypatch.setenv("GPUNET_HOME", str(unwritable))
    assert sgd_loop().now() is not None


def test_code_from_the_cache_needs_no_numba(tmp_path):
    script = """if True:
        import sys
        import numpy as np
        from gpunet.backend.numba_cpu import update
        p = np.ones(1 << 17, "float32")
        update._SGD.now(p.size)(p, p.copy(), np.float32(0.25))
        assert (p == 0.75).all()
        print("numba" in sys.modules)
    """
    environment = {**os.environ, "GPUNET_HOME": str(tmp_path)}
    command = [sys.executable, "-c", script]
    said = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)]
    assert [done.stdout.strip() for done in said] == ["True", "False"]


def test_a_loop_that_needs_numbas_runtime_is_refused(caplog):
    def allocates(x, parts):
        x[:] = np.arange(x.size)

    assert compiled.Loop(allocates, "void(float32[::1], intp)").now() is None
    assert "only Numba has" in caplog.text


def test_arrays_that_the_code_would_misread_are_refused():
    run = sgd_loop().now()
    p = np.ones(8, "float32")
    for other in (np.ones(8), np.ones(16, "float32")[::2]):
        with pytest.raises(TypeError, match="contiguous array of float32"):
            run(p, other, np.float32(1))
    with pytest.raises(ValueError, match="contiguous"):
        machine_code.arguments("void(float32[:], intp)")
    assert (p == 1).all()


@pytest.mark.parametrize("shares", [True, False])
def test_without_openmp_one_thread_does_all_parts(monkeypatch, shares):
    if not shares:
        monkeypatch.setattr(team, "openmp", lambda: None)
    loop = sgd_loop()
    p, g = np.ones(1 << 17, "float32"), np.ones(1 << 17, "float32")
    loop.now(p.size)(p, g, np.float32(0.5))
    assert (p == 0.5).all()
    assert team.parts(p.size) == 1 or shares


def test_loops_run_in_several_threads_at_once():
    update._SGD.now(1 << 20)
    arrays = [np.ones(1 << 20, "float32") for _ in range(4)]
    workers = [threading.Thread(target=numba.implementations["sgd"], args=(p, np.ones_like(p), RATE)) for p in arrays]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert all((p == np.float32(1) - RATE).all() for p in arrays)


def test_every_loop_belongs_to_a_primitive():
    modules = (addends, crossentropy, elementwise, nn, numba_layer_norm, numba_rows, numba_shape, pooling, update)
    found = [value for module in modules for value in vars(module).values()]
    found += [loop for value in found if type(value) is dict for loop in value.values()]
    used = {loop.function for loop in found if type(loop) is compiled.Loop}
    written = [(module.__name__, f) for module in (loops, row_loops) for f in vars(module).values() if callable(f)]
    assert used == {f for name, f in written if f.__module__ == name}
