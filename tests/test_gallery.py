"""Scripts in the manner of Keras's examples: they run with gpunet, and with Keras after a change of imports."""

import importlib.util
import os
from pathlib import Path

import pytest

from examples.gallery.__main__ import SCRIPTS, for_keras, run

FOLDER = Path(os.environ.get("GPUNET_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")

SHORT = {
    "addition_rnn": (["--epochs=2", "--samples=1000"], "validation accuracy", 0.3, 1.0),
    "conv_mixer": (["--epochs=2", "--samples=1280", "--filters=16", "--depth=2"], "training loss", 0.5, 2.15),
    "convolutional_autoencoder": (["--epochs=1", "--samples=2000"], "test loss", 0.1, 0.6),
    "mnist_convnet": (["--epochs=1", "--samples=6000"], "test accuracy", 0.8, 1.0),
    "text_transformer": (["--epochs=2", "--samples=2000"], "validation accuracy", 0.6, 1.0),
}
DATA = {"conv_mixer": "cifar-10-batches-bin", "convolutional_autoencoder": "mnist", "mnist_convnet": "mnist"}


def test_every_script_is_tested():
    assert sorted(SHORT) == SCRIPTS


@pytest.fixture(params=SHORT)
def script(request, monkeypatch):
    if request.param in DATA and not (FOLDER / DATA[request.param]).is_dir():
        pytest.skip(f"no {DATA[request.param]} in {FOLDER}")
    monkeypatch.setenv("GPUNET_DATA", str(FOLDER))
    return request.param


def test_runs_and_learns(script):
    arguments, figure, least, most = SHORT[script]
    assert least < run(script, "gpunet", arguments, echo=False)[figure] <= most


def test_only_imports_change():
    assert for_keras("import gpunet as keras\nfrom gpunet import layers\nfrom gpunet.models import Model\n") == (
        "import keras\nfrom keras import layers\nfrom keras.models import Model\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("keras"), reason="Keras is not installed")
def test_keras_runs_it_too(script, monkeypatch):
    backend = next((b for b in ("torch", "jax") if importlib.util.find_spec(b)), None)
    if backend is None:
        pytest.skip("Keras has no backend here")
    monkeypatch.setenv("KERAS_BACKEND", backend)
    arguments = [*SHORT[script][0][1:], "--epochs=1"]
    assert run(script, "keras", arguments, echo=False)
