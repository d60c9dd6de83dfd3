"""ResNet-20 of the examples trains as the same network does in PyTorch, and as its command line says."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from examples import resnet20_cifar10
from gpunet import config, losses, optimizers

FOLDER = Path(__file__).resolve().parents[1] / "golden"
torch_twin = SimpleNamespace(**runpy.run_path(str(FOLDER / "make_resnet20.py")))
GOLDEN = json.loads(torch_twin.GOLDEN.read_text())

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (torch_twin.DATA / "cifar-10-batches-bin").is_dir(), reason=f"no CIFAR-10 batches in {torch_twin.DATA}"
    ),
]


@pytest.fixture
def floatx():
    before = config.floatx()
    yield config.set_floatx
    config.set_floatx(before)


def losses_of_steps(learning_rate, momentum):
    """The loss of every step of the example's network, from the weights and batches of the golden run."""
    model = resnet20_cifar10.resnet()
    model.set_weights(torch_twin.initial_weights())
    model.compile(optimizers.SGD(learning_rate, momentum), losses.SparseCategoricalCrossentropy(from_logits=True))
    found = []
    for x, y in torch_twin.batches():
        model.reset_metrics()
        found.append(float(model.train_on_batch(x, y)))
    return found


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-8)])
def test_losses_of_twenty_steps_are_those_of_pytorch(floatx, dtype, tolerance):
    """Relative to PyTorch in float64; float32 at a learning rate at which its errors do not grow."""
    floatx(dtype)
    found = losses_of_steps(*torch_twin.RATES[dtype])
    np.testing.assert_allclose(found, GOLDEN[dtype], rtol=tolerance)
    assert np.mean(found[-4:]) < np.mean(found[:4]) - 0.1


def test_golden_losses_are_what_pytorch_gives_here():
    pytest.importorskip("torch", reason="PyTorch is not installed: the golden losses stand for it")
    for dtype, rates in torch_twin.RATES.items():
        np.testing.assert_allclose(torch_twin.torch_losses(*rates, steps=6), GOLDEN[dtype][:6], rtol=1e-8)


def test_example_learns_and_decays_its_learning_rate(capsys):
    options = ["--epochs", "4", "--limit", "128", "--batch-size", "16", "--learning-rate", "0.02"]
    history = resnet20_cifar10.train(resnet20_cifar10.parse([*options, "--data", str(torch_twin.DATA)]))
    assert "resnet20: 271,098 weights, 128 training and 128 test" in capsys.readouterr().out
    assert history.history["loss"][-1] < history.history["loss"][0] - 0.1
    assert float(history.model.optimizer.learning_rate) == pytest.approx(0.02 / 100)
