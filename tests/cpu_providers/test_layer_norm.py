"""Layer and RMS normalisation by NumPy and in compiled loops: against float64, and bound with the same bits."""

import numpy as np
import pytest

from gpunet.backend.cpu import cpu
from gpunet.backend.numba_cpu import layer_norm as loops
from gpunet.backend.numba_cpu import numba
from gpunet.backend.portable import portable
from gpunet.backend.primitive import PRIMITIVES, backend_of
from gpunet.backend.primitives import nn as prim

from .problems import assert_close, exact, floats, needs_numba

PROVIDERS = [pytest.param(cpu, id="numpy"), pytest.param(numba, id="numba", marks=needs_numba)]
SHAPES = [(300, 64), (8, 4, 16, 37), (17, 1003), (20000, 1), (3000, 128)]
EPSILON = 1e-3


def problem(shape, offset=0):
    rng = np.random.default_rng(0)
    x, g = floats(rng, *shape) + np.float32(offset), floats(rng, *shape)
    return x, g, floats(rng, shape[-1]), floats(rng, shape[-1])


@pytest.mark.parametrize("offset", [0, 1e4])
@pytest.mark.parametrize("centred", [True, False], ids=["layer", "rms"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_both_are_close_to_float64(provider, shape, centred, offset):
    x, g, gamma, beta = problem(shape, offset)
    forward, backward = (provider.implementations[name] for name in ("layer_norm", "layer_norm_grad"))
    for parameters, count in (((gamma, beta), 2), ((gamma, None), 1), ((None, None), 0)):
        options = {"epsilon": EPSILON, "centred": centred, "residuals": True}
        y, kept = forward(x, *parameters, **options)
        expected, exact_kept = exact(prim.layer_norm, x, *parameters, **options)
        assert_close(y, expected, 2e-6)
        options = {"centred": centred, "parameters": count}
        found = backward(g, x, parameters[0], *kept, **options)
        doubles = [a if a is None else a.astype("float64") for a in (g, x, parameters[0])]
        exact_found = portable.bind(prim.layer_norm_grad, np)(*doubles, *exact_kept, **options)
        assert len(found) == len(exact_found) == 1 + count
        for result, value in zip(found, exact_found):
            assert_close(result, value, 1e-5 if result.ndim > 1 else 1e-4)  # sums of many rows


@needs_numba
@pytest.mark.parametrize("centred", [True, False], ids=["layer", "rms"])
def test_bound_calls_have_the_bits_of_single_ones(centred):
    x, g, gamma, beta = problem((300, 64))
    ready = backend_of(np.ndarray).ready
    y, dx = np.empty_like(x), np.empty_like(x)
    options = {"epsilon": EPSILON, "centred": centred, "residuals": True}
    forward = ready(PRIMITIVES["layer_norm"], lambda: "general", x, gamma, beta, out=y, **options)
    backward = None
    for _ in range(2):
        forward()
        expected, kept = numba.implementations["layer_norm"](x, gamma, beta, **options)
        for part, value in zip(forward.parts, (expected, *kept), strict=True):
            np.testing.assert_array_equal(part, value)
        how = {"centred": centred, "parameters": 2}
        if backward is None:
            statistics = forward.parts[1:]
            operands = (g, x, gamma, *statistics)
            backward = ready(PRIMITIVES["layer_norm_grad"], lambda: "general", *operands, out=dx, **how)
        backward()
        for part, value in zip(backward.parts, numba.implementations["layer_norm_grad"](*operands, **how), strict=True):
            np.testing.assert_array_equal(part, value)
        x *= 2


@needs_numba
def test_other_arrays_are_left_to_numpy_and_views_are_not():
    x, g, gamma, beta = problem((300, 64))
    for change in (lambda a: a.astype("float64"), lambda a: a[:9]):
        arguments = change(x), gamma, beta
        assert numba.implementations["layer_norm"](*arguments, epsilon=EPSILON, centred=True) is NotImplemented
        assert loops.bind_layer_norm(*arguments, epsilon=EPSILON, centred=True, out=x) is NotImplemented
        statistics = np.ones((2, len(arguments[0]), 1), "float32")
        how = {"centred": True, "parameters": 0}
        assert loops.layer_norm_grad(change(g), arguments[0], gamma, *statistics, **how) is NotImplemented
    flipped, kept = loops.layer_norm(x[:, ::-1], gamma, beta, epsilon=EPSILON, centred=True, residuals=True)
    straight = loops.layer_norm(x[:, ::-1].copy(), gamma, beta, epsilon=EPSILON, centred=True)[0]
    np.testing.assert_array_equal(flipped, straight)
    out = np.empty_like(x.T).T
    assert loops.layer_norm(x[:, ::-1], gamma, beta, epsilon=EPSILON, centred=True, out=out)[0] is out
    np.testing.assert_array_equal(out, straight)
    assert loops.layer_norm_grad(g, x[:, ::-1], gamma, *kept, centred=True, parameters=0, out=out)[0] is out
    np.testing.assert_array_equal(
        out, loops.layer_norm_grad(g, x[:, ::-1].copy(), gamma, *kept, centred=True, parameters=0)[0]
    )
