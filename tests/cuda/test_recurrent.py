"""LSTM and GRU against the portable implementation."""
# kernels: recurrent.cu

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers
from gpunet.backend.devices import as_array
from gpunet.backend.portable import portable
from gpunet.backend.primitives import recurrent as prim
from gpunet.testing import emulated_gpu

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
SIZES = {"one unit": (1, 1, 1), "a part of a block": (3, 2, 5), "more columns than threads": (3, 3, 70)}

pytestmark = pytest.mark.parametrize("dtype", ["float32", "float64"])


def draw(dtype, *shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) / np.sqrt(shape[0]).astype(dtype) for shape in shapes]


def operands(name, sizes, dtype):
    steps, batch, units = sizes
    wide = (4 if name == "lstm" else 3) * units
    x, kernel, bias, h, c = draw(dtype, (steps, batch, wide), (units, wide), (wide,), (batch, units), (batch, units))
    return (x, kernel, h, c) if name == "lstm" else (x, kernel, bias, h)


def mask_of(sizes, dtype):
    mask = np.random.default_rng(1).random(sizes[:2]) < 0.6
    return mask.astype(dtype)


def check(found, expected, dtype):
    for y, e in zip(found, expected, strict=True):
        assert (y.dtype, y.shape) == (dtype, e.shape)
        np.testing.assert_allclose(y.get(), e, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def on(gpu, *arrays):
    return [a if a is None else as_array(a, target=gpu) for a in arrays]


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_forward_and_backward(gpu, dtype, name, size, masked):
    sizes = SIZES[size]
    arrays = operands(name, sizes, dtype)
    mask = mask_of(sizes, dtype) if masked else None
    primitive, gradient = getattr(prim, name), getattr(prim, f"{name}_grad")
    reference = portable.bind(primitive, np)
    expected, kept = reference(*arrays, mask, residuals=True)
    found, residuals = primitive(*on(gpu, *arrays, mask), residuals=True)
    check(found, expected, dtype)
    check(residuals, kept, dtype)
    plain, nothing = primitive(*on(gpu, *arrays, mask))
    check(plain, expected, dtype)
    assert nothing == ()
    steps, batch, units = sizes
    cotangents = draw(dtype, (steps, batch, units), (batch, units), (batch, units))[: len(expected)]
    kernel, states = arrays[1], arrays[2:] if name == "lstm" else arrays[3:]
    outputs = () if name == "lstm" else (expected[0],)
    for given in (cotangents, [None, *cotangents[1:]], [cotangents[0], *[None] * (len(cotangents) - 1)]):
        inputs = (kernel, *states, mask, *outputs, *kept, *given)
        check(gradient(*on(gpu, *inputs)), portable.bind(gradient, np)(*inputs), dtype)
    assert not gpu.not_emulated
    assert gpu.launches[name] == 2
    assert gpu.launches[f"{name}_grad"] == 3


def test_without_a_bias(gpu, dtype):
    x, kernel, _, h = operands("gru", (2, 3, 4), dtype)
    expected, _ = portable.bind(prim.gru, np)(x, kernel, None, h, None)
    found, _ = prim.gru(*on(gpu, x, kernel, None, h, None))
    check(found, expected, dtype)


def test_many_units_are_products_of_all_samples(gpu, dtype):
    arrays = operands("lstm", (1, 1, 1025), dtype)
    found, _ = prim.lstm(*on(gpu, *arrays, None))
    check(found, portable.bind(prim.lstm, np)(*arrays, None)[0], dtype)
    assert "lstm" not in gpu.launches


def test_a_model_trains_as_on_the_cpu(dtype):
    x = np.random.default_rng(0).standard_normal((4, 3, 2)).astype(dtype)

    def losses():
        keras.set_random_seed(1)
        inputs = keras.Input((3, 2), dtype=dtype)
        h = layers.Masking(dtype=dtype)(inputs)
        h = layers.LSTM(4, return_sequences=True, dropout=0.2, dtype=dtype)(h)
        model = keras.Model(inputs, layers.GRU(2, dtype=dtype)(h))
        model.compile("sgd", "mse")
        return [float(model.train_on_batch(x, np.ones((4, 2), dtype))) for _ in range(4)]

    expected = losses()
    with emulated_gpu() as gpu:
        np.testing.assert_allclose(losses(), expected, rtol=1e-5)
        assert gpu.launches["lstm_grad"] == gpu.launches["gru_grad"] == 4
