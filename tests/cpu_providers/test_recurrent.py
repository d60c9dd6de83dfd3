"""LSTM and GRU in compiled loops: equal in every bit to the numpy provider, masks and absent operands too."""

import numpy as np
import pytest

from gpunet.backend.cpu import cpu
from gpunet.backend.cpu.recurrent import products_with
from gpunet.backend.numba_cpu import compiled, numba, recurrent
from gpunet.backend.onednn import library

from .problems import floats

pytestmark = pytest.mark.skipif(not compiled.is_installed(), reason="Numba is not installed (pip install numba)")


@pytest.fixture(scope="module", autouse=True)
def _compiled_loops():
    for loop in (*recurrent._LSTM, *recurrent._LSTM_BACK, *recurrent._GRU, *recurrent._GRU_BACK):
        assert loop.now() is not None
        assert loop.now(1 << 20) is not None


@pytest.fixture
def small(monkeypatch):
    """Lets the loops do small work too."""
    monkeypatch.setattr(recurrent, "_SMALL", 1)


def equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("residuals", [False, True])
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("sizes", [(4, 9, 20), (1, 33, 7), (3, 64, 130)], ids=str)
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_equals_numpy_in_every_bit(small, name, sizes, masked, residuals):
    steps, batch, units = sizes
    rng = np.random.default_rng(0)
    wide = (4 if name == "lstm" else 3) * units
    x, kernel = floats(rng, steps, batch, wide), floats(rng, units, wide) / np.float32(np.sqrt(units))
    states = [floats(rng, batch, units) for _ in range(2 if name == "lstm" else 1)]
    mask = (rng.random((steps, batch)) < 0.7).astype("float32") if masked else None
    others = states if name == "lstm" else [floats(rng, wide), *states]
    ours, theirs = numba.implementations[name], cpu.implementations[name]
    expected, kept = theirs(x, kernel, *others, mask, residuals=residuals)
    out = np.empty((steps, batch, units), "float32")
    found, found_kept = ours(x, kernel, *others, mask, out=out, residuals=residuals)
    assert found[0] is out
    equal(found, expected)
    equal(found_kept, kept)
    if residuals:
        outputs = () if name == "lstm" else (expected[0],)
        cotangents = [floats(rng, *y.shape) for y in expected]
        ours, theirs = numba.implementations[f"{name}_grad"], cpu.implementations[f"{name}_grad"]
        for given in (cotangents, [cotangents[0], *[None] * len(states)], [None, *cotangents[1:]]):
            before = [g.copy() for g in given if g is not None]
            operands = (kernel, *states, mask, *outputs, *kept, *given)
            equal(ours(*operands), theirs(*operands))
            equal([g for g in given if g is not None], before)


def test_leaves_other_arrays_to_the_next_provider():
    rng = np.random.default_rng(0)
    for dtype, units in (("float64", 64), ("float32", 63)):  # other numbers, and small ones
        x, kernel, h, c = (
            floats(rng, *s).astype(dtype) for s in ((2, 32, 4 * units), (units, 4 * units), (32, units), (32, units))
        )
        assert numba.implementations["lstm"](x, kernel, h, c, None) is NotImplemented


def test_without_a_bias(small):
    rng = np.random.default_rng(0)
    x, kernel, h = floats(rng, 3, 9, 60), floats(rng, 20, 60), floats(rng, 9, 20)
    found, _ = numba.implementations["gru"](x, kernel, None, h, None)
    equal(found, cpu.implementations["gru"](x, kernel, None, h, None)[0])


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
