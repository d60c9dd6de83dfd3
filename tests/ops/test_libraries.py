"""Linear algebra and Fourier transforms: errors, recordings, functional models and what a GPU is asked for."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import GradientTape, layers, ops
from gpunet.testing import emulated_gpu


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ops.inv(x[0]), "Expected input to have rank >= 2"),
        (lambda x: ops.det(x[:1]), "Expected a square matrix"),
        (lambda x: ops.solve(x, np.ones(3)), r"Received: a.shape=\(2, 2\), b.shape=\(3,\)"),
        (lambda x: ops.lstsq(x, np.ones((3, 1))), "Leading shapes of input arrays incompatible"),
        (lambda x: ops.qr(x, mode="full"), "Received: mode=full"),
        (lambda x: ops.norm(x, ord="big"), "Invalid `ord` argument for matrix norm. Received: ord=big"),
        (lambda x: ops.norm(x[0], ord="nuc"), "Invalid `ord` argument for vector norm. Received: ord=nuc"),
        (lambda x: ops.fft(x), "tuple of two tensors"),
        (lambda x: ops.fft((x, x[0])), "should have the same shape"),
        (lambda x: ops.fft((x.astype(int), x.astype(int))), "not of type float"),
        (lambda x: ops.fft2((x[0], x[0])), "rank >= 2"),
        (lambda x: ops.rfft(x, fft_length=0), "at least 1. Received: fft_length=0"),
        (lambda x: ops.stft(x, 4, 0, 4), "`sequence_stride` must be a positive integer"),
        (lambda x: ops.stft(x, 4, 2, 2), "`fft_length` must equal or larger"),
        (lambda x: ops.stft(x, 4, 2, 4, window="square"), "Received: window=square"),
        (lambda x: ops.stft(x, 4, 2, 4, window=np.ones(3)), "shape of `window`"),
        (lambda x: ops.extract_sequences(x, 3, 1), "shorter than a window"),
        (lambda x: ops.ctc_decode(x, [1, 1]), r"expected \(batch, steps, classes\)"),
        (lambda x: ops.ctc_decode(x[None], [1], strategy="best"), "Invalid strategy best"),
        (lambda x: ops.rearrange(x, "a b c -> a"), "the pattern has 3 axes"),
        (lambda x: ops.rearrange(x, "a (b c) -> a b c"), "cannot be split"),
        (lambda x: ops.rearrange(x, "a b -> a c"), "same names"),
        (lambda x: ops.rearrange(x, "a b"), "expected a pattern"),
        (lambda x: ops.view(x[:, :1], "complex64"), "Invalid dtype"),
        (lambda x: ops.view(x.astype("float32")[:, :1], "float64"), "does not fit the last axis"),
        (lambda x: ops.scatter_update(x, [[0]], x[:1], reduction="mean"), "Received: reduction='mean'"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.array([[1.0, 2.0], [3.0, 5.0]]))


def test_what_has_no_gradient_says_so():
    x = keras.Variable(np.random.default_rng(0).normal(size=(4, 3)))
    for function, message in (
        (lambda: ops.qr(x, mode="complete")[0], "mode='reduced' only"),
        (lambda: ops.svd(x)[0], "full_matrices=False only"),
        (lambda: ops.lu_factor(x)[0], "square matrices only"),
    ):
        with GradientTape() as tape:
            y = ops.sum(function())
        with pytest.raises(ValueError, match=message):
            tape.gradient(y, x)


def test_a_functional_model_solves_equations(tmp_path):
    matrix, right = keras.Input((3, 3)), keras.Input((3,))
    x = ops.solve(matrix, right)
    size = ops.norm(x, axis=-1, keepdims=True)
    model = keras.Model([matrix, right], [x, size, *ops.rfft(right), ops.rearrange(matrix, "b r c -> b (c r)")])
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(4, 3, 3)) + 3 * np.eye(3), rng.normal(size=(4, 3))]
    found = model.predict(given, verbose=0)
    np.testing.assert_allclose(found[0], np.linalg.solve(given[0], given[1][..., None])[..., 0], rtol=1e-4)
    np.testing.assert_allclose(found[2], np.fft.rfft(given[1]).real, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for a, b in zip(again.predict(given, verbose=0), found):
        np.testing.assert_array_equal(a, b)


class Whiten(layers.Layer):
    """Inputs times the inverse root of their covariance."""

    def call(self, x):
        covariance = ops.matmul(ops.transpose(x), x) / x.shape[0] + 0.1 * ops.eye(x.shape[1])
        return ops.transpose(ops.solve_triangular(ops.cholesky(covariance), ops.transpose(x), lower=True))


@pytest.mark.parametrize("device", ["cpu", "emulated"])
def test_a_model_trains_through_a_factorization(device):
    def losses():
        keras.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), layers.Dense(3), Whiten(), layers.Dense(1)])
        model.compile("sgd", "mse", jit_compile=True)
        rng = np.random.default_rng(1)
        x = rng.normal(size=(32, 4)).astype("float32")
        return model.fit(x, x[:, :1] * 2, batch_size=8, epochs=8, verbose=0).history["loss"]

    if device == "cpu":
        found = losses()
        assert found[-1] < found[0] * 0.7
        return
    with emulated_gpu() as gpu:
        on_gpu = losses()
        assert {"cholesky", "solve"} <= set(gpu.not_emulated)
    np.testing.assert_allclose(on_gpu, losses(), rtol=1e-3)


def test_the_signal_comes_back_from_its_transform():
    x = np.random.default_rng(0).normal(size=(2, 40)).astype("float32")
    back = ops.istft(ops.stft(x, 8, 4, 8), 8, 4, 8, length=40)
    np.testing.assert_allclose(back, x, atol=1e-5)


def test_whole_numbers_become_floats():
    assert ops.det(np.eye(3, dtype="int32")).dtype == "float32"
    assert ops.inv(np.eye(2, dtype="float16")).dtype == "float32"
    with pytest.raises(TypeError, match="Invalid input type. Expected `float32` or `float64`"):
        ops.stft(np.ones(8, "int32"), 4, 2, 4)
