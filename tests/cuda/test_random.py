"""Random bits and floats, dropout and the counter of draws: NumPy's own bits, whatever the device."""

# kernels: random.cu quantile.cuh

import numpy as np
import pytest

from gpunet.backend import philox
from gpunet.backend.devices import as_array
from gpunet.backend.primitives import random as prim

SEED, STREAM = 0xFFFFFFF1, 0x80000003
SIZES = [1, 3, 4, 5, 8, 9, 31, 257, 4100]
DTYPES = [np.dtype(name) for name in ("float32", "float64", "float16")]
RNG = np.random.default_rng(0)


@pytest.fixture
def state(gpu):
    return as_array(np.array([SEED, STREAM], np.uint32), target=gpu)


def assert_bits(found, expected):
    found = found.get()
    assert found.dtype == expected.dtype
    assert found.tobytes() == np.ascontiguousarray(expected).tobytes()


@pytest.mark.parametrize("size", [*SIZES, 40000])
def test_bits(gpu, state, size):
    assert_bits(prim.random_bits(state, shape=(size,)), philox.words32(SEED, STREAM, size))
    assert gpu.launches == {"random_bits": 1}
    assert not gpu.not_emulated


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_floats(gpu, state, size, dtype):
    uniform = prim.random_uniform(state, shape=(size,), dtype=dtype)
    assert_bits(uniform, philox.uniform(SEED, STREAM, size, dtype).astype(dtype))
    for truncated in (False, True):
        normal = prim.random_normal(state, shape=(size,), dtype=dtype, truncated=truncated)
        assert_bits(normal, philox.normal(SEED, STREAM, size, dtype, truncated).astype(dtype))
    assert not gpu.not_emulated


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_more_elements_than_threads(gpu, state, dtype):
    size = 70001 * 8  # the emulated device's grid has at most 16384 threads
    if dtype == np.float64:
        size //= 2
    assert_bits(
        prim.random_uniform(state, shape=(size,), dtype=dtype), philox.uniform(SEED, STREAM, size, dtype).astype(dtype)
    )
    size = 16385 * 8 if dtype != np.float64 else 16385 * 4
    assert_bits(
        prim.random_normal(state, shape=(size,), dtype=dtype), philox.normal(SEED, STREAM, size, dtype).astype(dtype)
    )


def test_shapes_and_outputs(gpu, state):
    words = philox.words32(SEED, STREAM, 6)
    assert prim.random_bits(state, shape=()).get() == words[0]
    assert_bits(prim.random_bits(state, shape=(2, 3)), words.reshape(2, 3))
    assert not gpu.not_emulated
    assert prim.random_bits(state, shape=(2, 0)).shape == (2, 0)
    out = as_array(np.zeros((3, 2), np.uint32), target=gpu)
    prim.random_bits(state, shape=(2, 3), out=out.T)
    assert_bits(out.T, words.reshape(2, 3))
    seed = as_array(np.array([SEED, 9, STREAM, 9], np.uint32), target=gpu)[::2]
    assert_bits(prim.random_bits(seed, shape=(6,)), words)


def test_other_states_and_dtypes_are_drawn_on_the_host(gpu, state):
    wide = as_array(np.array([SEED, STREAM], np.int64), target=gpu)
    assert_bits(prim.random_bits(wide, shape=(3,)), philox.words32(SEED, STREAM, 3))
    import ml_dtypes

    dtype = np.dtype(ml_dtypes.bfloat16)
    assert_bits(
        prim.random_uniform(state, shape=(3,), dtype=dtype), philox.uniform(SEED, STREAM, 3, dtype).astype(dtype)
    )
    assert not gpu.launches


QUANTILES = """
#include "quantile.cuh"
KERNEL(32) quantiles(GLOBAL(const TYPE) p, GLOBAL(TYPE) out, int count) {
    for (int i = threadIdx.x; i < count; i += 32) out[i] = upper_quantile(p[i]);
}
"""


@pytest.mark.parametrize(("c_type", "dtype"), [("float", "float32"), ("double", "float64")])
def test_quantile_of_every_branch(gpu, write_source, c_type, dtype):
    """Down to tail probabilities that draws reach once in 10⁹, and to both sides of each branch."""
    p = np.concatenate([np.geomspace(1e-35, 0.5, 400), 0.075 * (1 + np.linspace(-1e-6, 1e-6, 41)), [0.5]])
    p = np.append(p, np.exp(-25.0) * (1 + np.linspace(-1e-6, 1e-6, 41)))
    p = np.append(p, np.array(1.4142135, dtype) * 0.5 ** np.arange(5, 60)).astype(dtype)  # the mantissa at log's branch
    expected = philox._upper_quantile(p, philox._PPND7 if dtype == "float32" else philox._PPND16)
    out = as_array(np.zeros_like(p), target=gpu)
    write_source(QUANTILES, TYPE=c_type)["quantiles"](1, as_array(p, target=gpu), out, p.size)
    assert_bits(out, expected)


SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, -1.5, 2.5]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", [1, 3, 4, 127, 128, 130, 511, 512, 513, 40001])
@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_dropout(gpu, state, size, dtype, rate):
    x = RNG.standard_normal(size).astype(dtype)
    x[: len(SPECIAL)] = SPECIAL[:size]
    with np.errstate(invalid="ignore"):
        expected, (mask,) = prim.dropout(x, state.get(), rate=rate, residuals=True)
        backward = prim.dropout_grad(x, mask, rate=rate)
    out, residuals = prim.dropout(as_array(x, target=gpu), state, rate=rate, residuals=True)
    state[1:] += 5  # the backward has a state of its own
    grad = prim.dropout_grad(as_array(x, target=gpu), *residuals, rate=rate)
    np.testing.assert_array_equal(out.get(), expected)
    np.testing.assert_array_equal(np.signbit(out.get()), np.signbit(expected))
    np.testing.assert_array_equal(grad.get(), backward)
    assert gpu.launches == {"dropout": 2}


def test_dropout_extremes_and_layouts(gpu, state):
    x = RNG.standard_normal((5, 7)).astype(np.float32)
    on_gpu = as_array(x, target=gpu)
    almost_all, almost_none = 1 - 2**-18, 2**-18  # rounded to 16 bits: every element, and none, is dropped
    assert not prim.dropout(on_gpu, state, rate=almost_all)[0].get().any()
    np.testing.assert_allclose(prim.dropout(on_gpu, state, rate=almost_none)[0].get(), x, rtol=1e-5)
    transposed, residuals = prim.dropout(on_gpu.T, state, rate=0.25)
    assert residuals == ()
    np.testing.assert_array_equal(transposed.get(), prim.dropout(x.T, state.get(), rate=0.25)[0])
    out = as_array(np.zeros((5, 14), np.float32), target=gpu)[:, ::2]
    assert prim.dropout(on_gpu, state, rate=0.25, out=out)[0] is out
    np.testing.assert_array_equal(out.get(), prim.dropout(x, state.get(), rate=0.25)[0])
    assert not gpu.not_emulated
    assert prim.dropout(on_gpu[:0], state, rate=0.25)[0].shape == (0, 7)


def test_counter_of_draws(gpu):
    state = as_array(np.array([7, 2**32 - 1], np.uint32), target=gpu)
    first, second = prim.next_state(state), prim.next_state(state)
    assert first.get().tolist() == [7, 2**32 - 1]
    assert second.get().tolist() == [7, 0]
    assert state.get().tolist() == [7, 1]
    assert gpu.launches == {"next_state": 2}
    assert not gpu.not_emulated
