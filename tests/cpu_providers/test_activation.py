"""Activations by NumPy and in compiled loops: against float64, and bound with the same bits."""

import numpy as np
import pytest

from gpunet.backend.cpu import cpu
from gpunet.backend.numba_cpu import numba
from gpunet.backend.primitive import PRIMITIVES, backend_of
from gpunet.backend.primitives import elementwise as prim

from .problems import exact, floats, needs_numba

ALPHA = {"elu": {"alpha": 0.7}, "leaky_relu": {"alpha": 0.3}}
LOOPS = ("gelu", "gelu_tanh", "silu")
CASES = [
    *[pytest.param(cpu, name, id=f"numpy-{name}") for name in (*prim.GATED, *prim.RECTIFIERS)],
    *[pytest.param(numba, name, id=f"numba-{name}", marks=needs_numba) for name in LOOPS],
]


def run(provider, name, *arrays, **options):
    """An implementation's result and residuals."""
    found = provider.implementations[name](*arrays, **options)
    return found if type(found) is tuple else (found, ())


@pytest.mark.parametrize(("provider", "name"), CASES)
def test_both_are_close_to_float64(provider, name):
    rng, alpha = np.random.default_rng(0), ALPHA.get(name, {})
    x, g = 5 * floats(rng, 700, 111), floats(rng, 700, 111)
    x[0, :5] = np.nan, 30, -30, 100, -100
    keeps = {"residuals": True} if PRIMITIVES[name].has_residuals else {}
    y, kept = run(provider, name, x, **alpha, **keeps)
    expected = exact(PRIMITIVES[name], x, **alpha)
    np.testing.assert_allclose(y, expected[0] if keeps else expected, rtol=1e-6, atol=2e-6)
    backward = f"{name}_grad"
    dx = provider.implementations[backward](g, x, *kept, **alpha)
    np.testing.assert_allclose(dx, exact(PRIMITIVES[backward], g, x, **alpha), rtol=1e-6, atol=5e-6)
    np.testing.assert_array_equal(dx, provider.implementations[backward](g, x, **alpha))  # what was kept, anew
    for out in (np.empty_like(x), np.empty_like(x.T).T):
        assert run(provider, name, x, **alpha, out=out)[0] is out
        np.testing.assert_array_equal(out, y)
        assert provider.implementations[backward](g, x, *kept, **alpha, out=out) is out
        np.testing.assert_array_equal(out, dx)


@needs_numba
@pytest.mark.parametrize("name", [*LOOPS, *(f"{name}_grad" for name in LOOPS)])
def test_bound_calls_have_the_bits_of_single_ones(name):
    rng = np.random.default_rng(0)
    operands = [floats(rng, 300, 64) for _ in range(2 if name.endswith("_grad") else 1)]
    out = np.empty((300, 64), "float32")
    bound = backend_of(np.ndarray).ready(PRIMITIVES[name], lambda: "general", *operands, out=out)
    for _ in range(2):
        bound()
        np.testing.assert_array_equal(out, run(numba, name, *operands)[0])
        operands[-1] *= 2
    assert numba.implementations[name](*[a.astype("float64") for a in operands]) is NotImplemented
    assert numba.implementations[name](*[a[:9] for a in operands]) is NotImplemented
