"""The autoencoders of the examples learn: their losses fall and they rebuild unseen digits better than a mean image."""

import os
from pathlib import Path

import numpy as np
import pytest

import gpunet
from examples import autoencoder_mnist, images, vae_mnist

DATA = Path(os.environ.get("GPUNET_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
real_mnist = pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason=f"no MNIST in {DATA}")


@pytest.fixture
def nowhere(tmp_path):
    """A folder without MNIST, where the examples take the digits of the package."""
    return str(tmp_path / "nowhere")


def test_autoencoder_learns_the_digits_and_saves_a_picture(nowhere, tmp_path, capsys):
    picture = tmp_path / "autoencoder.png"
    options = ["--epochs", "4", "--batch-size", "32", "--data", nowhere, "--output", str(picture)]
    result = autoencoder_mnist.train(autoencoder_mnist.parse(options))
    loss = result.history["loss"]
    assert loss[-1] < 0.5 * loss[0]
    assert result.history["val_loss"][-1] == pytest.approx(loss[-1], rel=0.1)
    assert result.error < 0.5 * result.baseline
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "training on the 8 × 8 digits" in capsys.readouterr().out


def test_variational_autoencoder_learns_the_digits_and_makes_new_ones(nowhere, tmp_path):
    picture = tmp_path / "vae.png"
    options = ["--epochs", "5", "--batch-size", "16", "--data", nowhere, "--output", str(picture)]
    result = vae_mnist.train(vae_mnist.parse(options))
    logs = result.history
    assert logs["loss"][-1] < 0.7 * logs["loss"][0]
    assert np.add(logs["reconstruction_loss"], logs["kl_loss"]) == pytest.approx(logs["loss"], rel=1e-5)
    assert min(logs["kl_loss"]) > 1  # codes that tell nothing would have none
    assert result.error < 0.75 * result.baseline
    assert np.ptp(result.samples, axis=0).max() > 0.5  # noise makes different images
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@real_mnist
@pytest.mark.parametrize(("example", "epochs"), [(autoencoder_mnist, "4"), (vae_mnist, "8")])
def test_autoencoders_learn_a_part_of_mnist(example, epochs):
    options = ["--epochs", epochs, "--limit", "1500", "--batch-size", "16", "--data", str(DATA), "--output", ""]
    result = example.train(example.parse(options))
    assert result.history["loss"][-1] < 0.7 * result.history["loss"][0]
    assert result.error < 0.8 * result.baseline


def test_sampling_draws_anew_with_the_given_mean_and_variance():
    mean, deviation = np.full((20000, 1), 3.0, "float32"), 0.5
    layer = vae_mnist.Sampling(seed=1)
    inputs = [mean, np.full_like(mean, 2 * np.log(deviation))]
    first, second = (layer(inputs).numpy() for _ in range(2))
    assert first.mean() == pytest.approx(3, abs=0.02)
    assert first.std() == pytest.approx(deviation, rel=0.03)
    assert np.abs(np.corrcoef(first[:, 0], second[:, 0])[0, 1]) < 0.03
    np.testing.assert_array_equal(vae_mnist.Sampling(seed=1)(inputs).numpy(), first)


def test_gradients_pass_through_the_sample():
    """d code / d mean = 1 and d code / d log variance = ½·(code − mean)."""
    mean, log_variance = gpunet.Variable([[1.0, -2.0]]), gpunet.Variable([[0.3, -0.4]])
    with gpunet.GradientTape() as tape:
        code = vae_mnist.Sampling(seed=2)([mean, log_variance])
        total = gpunet.ops.sum(code)
    to_mean, to_variance = tape.gradient(total, [mean, log_variance])
    np.testing.assert_array_equal(to_mean.numpy(), np.ones((1, 2)))
    np.testing.assert_allclose(to_variance.numpy(), (code.numpy() - mean.numpy()) / 2, atol=1e-6)


def test_trivial_guess_is_the_mean_of_the_training_images():
    train = np.array([0.0, 1.0]).reshape(2, 1, 1, 1)
    assert images.mean_image_error(train, np.array([1.0, 1.0, 0.5]).reshape(3, 1, 1, 1)) == pytest.approx(0.5 / 3)
