"""LSTM and GRU in machine code: against float64, masks and absent operands too, and the same bits from run to run."""

import numpy as np
import pytest

import gpunet
from gpunet import config
from gpunet.backend.cpu.recurrent import products_with
from gpunet.backend.numba_cpu import compiled, machine_code, numba, recurrent
from gpunet.backend.numba_cpu.compiled import Loop
from gpunet.backend.numba_cpu.inlined import sigmoid, tanh
from gpunet.backend.onednn import library
from gpunet.backend.primitive import PRIMITIVES, backend_of

from .problems import assert_close, exact, floats

pytestmark = pytest.mark.skipif(not compiled.is_installed(), reason="Numba is not installed (pip install numba)")

SIZES = [(4, 9, 20), (1, 33, 7), (3, 64, 130), (5, 1, 68)]  # steps, batch, units


@pytest.fixture
def small(monkeypatch):
    """Lets the loops do small work too."""
    monkeypatch.setattr(recurrent, "_SMALL", 1)


def problem(name, sizes, masked=True):
    """(operands but the mask, mask or None)."""
    steps, batch, units = sizes
    rng = np.random.default_rng(0)
    wide = (4 if name == "lstm" else 3) * units
    x, kernel = floats(rng, steps, batch, wide), floats(rng, units, wide) / np.float32(np.sqrt(units))
    states = [floats(rng, batch, units) for _ in range(2 if name == "lstm" else 1)]
    mask = (rng.random((steps, batch)) < 0.7).astype("float32") if masked else None
    return [x, kernel, *(states if name == "lstm" else [floats(rng, wide), *states])], mask


def operands_of_backward(name, operands, mask, outputs, kept, cotangents):
    _, kernel, *others = operands
    states = others if name == "lstm" else others[1:]
    return kernel, *states, mask, *(() if name == "lstm" else (outputs[0],)), *kept, *cotangents


@pytest.mark.parametrize("residuals", [False, True])
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_is_close_to_float64(small, name, sizes, masked, residuals):
    operands, mask = problem(name, sizes, masked)
    expected, kept = exact(PRIMITIVES[name], *operands, mask, residuals=residuals)
    out = np.empty(expected[0].shape, "float32")
    found, found_kept = numba.implementations[name](*operands, mask, out=out, residuals=residuals)
    assert found[0] is out
    for a, b in zip((*found, *found_kept), (*expected, *kept), strict=True):
        assert_close(a, b)
    if residuals:
        rng = np.random.default_rng(1)
        whole = [floats(rng, *y.shape) for y in expected]
        for given in (whole, [whole[0], *[None] * (len(whole) - 1)], [None, *whole[1:]]):
            before = [g.copy() for g in given if g is not None]
            arrays = operands_of_backward(name, operands, mask, found, found_kept, given)
            gradients = numba.implementations[f"{name}_grad"](*arrays)
            for a, b in zip(gradients, exact(PRIMITIVES[f"{name}_grad"], *arrays), strict=True):
                assert_close(a, b)
            for a, b in zip([g for g in given if g is not None], before):
                np.testing.assert_array_equal(a, b)


def test_without_a_bias(small):
    (x, kernel, _, h), mask = problem("gru", (3, 9, 20))
    found, _ = numba.implementations["gru"](x, kernel, None, h, mask)
    for a, b in zip(found, exact(PRIMITIVES["gru"], x, kernel, None, h, mask)[0], strict=True):
        assert_close(a, b)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_sample_has_the_same_bits_in_any_batch_and_with_any_threads(small, name):
    operands, mask = problem(name, (6, 29, 40))
    expected = numba.implementations[name](*operands, mask)[0][0]
    (x, kernel, *others), states = operands, 2 if name == "lstm" else 1
    for chosen in (slice(3, 4), slice(5, 7), slice(10, 23)):
        parts = [*others[: len(others) - states], *(s[chosen] for s in others[len(others) - states :])]
        found = numba.implementations[name](x[:, chosen], kernel, *parts, mask[:, chosen])[0][0]
        np.testing.assert_array_equal(found, expected[:, chosen])
    config.set_threads(1)
    np.testing.assert_array_equal(numba.implementations[name](*operands, mask)[0][0], expected)


def test_a_network_that_has_diverged_does_not_look_healthy(small):
    (x, kernel, h, c), _ = problem("lstm", (3, 9, 20))
    h[2, 5] = np.nan
    outputs = numba.implementations["lstm"](x, kernel, h, c, None)[0][0]
    assert np.isnan(outputs[:, 2]).all()
    assert np.isfinite(np.delete(outputs, 2, axis=1)).all()


def test_leaves_other_arrays_to_the_next_provider():
    for dtype, units in (("float64", 64), ("float32", 63)):  # other numbers, and small ones
        (x, kernel, h, c), _ = problem("lstm", (2, 32, units))
        operands = [a.astype(dtype) for a in (x, kernel, h, c)]
        assert numba.implementations["lstm"](*operands, None) is NotImplemented


@pytest.mark.parametrize("residuals", [False, True])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_bound_calls_have_the_bits_of_single_ones(small, name, residuals):
    operands, mask = problem(name, (4, 9, 20))
    expected, kept = numba.implementations[name](*operands, mask, residuals=residuals)
    out = np.empty_like(expected[0])
    run = ready(name, *operands, mask, out=out, residuals=residuals)
    for _ in range(2):
        run()
        for a, b in zip(run.parts, (*expected, *kept), strict=True):
            np.testing.assert_array_equal(a, b)
    pack, run_packed = run.packs.apart()
    pack()
    operands[1][...] = np.nan  # the kernel, which is packed by now
    run_packed()
    np.testing.assert_array_equal(out, expected[0])


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_bound_backward_has_the_bits_of_a_single_one(small, name):
    operands, mask = problem(name, (4, 9, 20))
    outputs, kept = numba.implementations[name](*operands, mask, residuals=True)
    arrays = operands_of_backward(name, operands, mask, outputs, kept, outputs)
    expected = numba.implementations[f"{name}_grad"](*arrays)
    run = ready(f"{name}_grad", *arrays, out=np.empty_like(expected[0]))
    for _ in range(2):
        run()
        for a, b in zip(run.parts, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def ready(name, *arrays, **attributes):
    return backend_of(np.ndarray).ready(PRIMITIVES[name], lambda: "general", *arrays, **attributes)


@pytest.mark.parametrize("layer", [gpunet.layers.LSTM, gpunet.layers.GRU])
def test_replays_see_weights_that_were_assigned(layer):
    model = gpunet.Sequential([gpunet.Input((6, 5)), layer(40)])
    x = floats(np.random.default_rng(0), 32, 6, 5)
    run = gpunet.function(lambda x: model(x, training=False))
    for scale in (1.0, 0.5, -1.0):
        model.set_weights([w * np.float32(scale) for w in model.get_weights()])
        for _ in range(4):
            np.testing.assert_array_equal(run(x), model(x, training=False))


def test_tanh_and_sigmoid_to_a_few_units_in_the_last_place():
    x = np.concatenate([np.linspace(-12, 12, 200_001), np.logspace(-30, 1, 100_001), [np.inf, -np.inf, np.nan, -0.0]])
    x = x.astype("float32")
    exact = {_tanh: np.tanh(x.astype("float64")), _sigmoid: 1 / (1 + np.exp(-x.astype("float64").clip(-700)))}
    for function, expected in exact.items():
        y = np.empty_like(x)
        Loop(function, "void(float32[::1], float32[::1], intp)").now()(x, y)
        np.testing.assert_allclose(y, expected, rtol=0 if function is _sigmoid else 1e-6, atol=3e-7)
        assert np.nanmax(np.abs(y)) == 1
        assert np.isnan(y[-2])


def _tanh(x, y, parts):
    for i in range(x.size):
        y[i] = tanh(x[i])


def _sigmoid(x, y, parts):
    for i in range(x.size):
        y[i] = sigmoid(x[i])


def test_machine_code_is_made_anew_when_a_function_that_it_calls_has_changed(monkeypatch):
    before = machine_code._key(recurrent._LSTM.function, recurrent._LSTM.signature, True)
    assert before == machine_code._key(recurrent._LSTM.function, recurrent._LSTM.signature, True)
    monkeypatch.setattr(recurrent.loops, "tanh", sigmoid)
    assert before != machine_code._key(recurrent._LSTM.function, recurrent._LSTM.signature, True)


@pytest.mark.skipif(not library.is_usable(), reason="oneDNN is not installed (pip install onednn-cpu-gomp)")
def test_a_kernel_is_packed_once_for_all_steps():
    rng = np.random.default_rng(0)
    kernel, other = floats(rng, 40, 160), floats(rng, 40, 160)
    product = products_with(kernel, 32)
    assert "_Packed" in product.__qualname__
    for _ in range(2):
        a, out = floats(rng, 32, 40), np.empty((32, 160), "float32")
        assert product(a.copy(order="F"), out=out) is out
        np.testing.assert_allclose(out, a @ kernel, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(products_with(other, 32)(a, out=out), a @ other, rtol=1e-4, atol=1e-4)
    assert "_Packed" not in products_with(kernel.astype("float64"), 32).__qualname__
    assert "_Packed" not in products_with(kernel, 1).__qualname__
