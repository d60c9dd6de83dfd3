"""Random models that travel between real Keras and gpunet as files, both ways; the generator's first seeds."""

import argparse
import importlib.util
import json

import numpy as np
import pytest

from gpunet import dtype_policies
from tests.saving.exchange import __main__ as exchange
from tests.saving.exchange.models import build

SEEDS = "0:8"
pytestmark = pytest.mark.filterwarnings("ignore")  # models lose masks now and then, and Keras warns too


@pytest.fixture(autouse=True)
def own_policy(monkeypatch):
    """The generator sets the global policy to what it was, which is not the same as not set."""
    monkeypatch.setitem(dtype_policies._global, "policy", None)


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("keras"), reason="Keras is not installed")
def test_random_models_travel(tmp_path, capsys):
    backend = next((b for b in ("torch", "jax") if importlib.util.find_spec(b)), None)
    if backend is None:
        pytest.skip("Keras has no backend here")
    arguments = argparse.Namespace(seeds=SEEDS, backend=backend)
    assert exchange.exchange(arguments, tmp_path) == set(), capsys.readouterr().out


@pytest.mark.parametrize("seed", range(8))
def test_random_models_return_from_their_files(seed, tmp_path):
    """With gpunet alone: what it writes it reads, with the same outputs, losses and summary."""
    import gpunet

    stem = tmp_path / f"{seed}.gpunet"
    exchange.files.write(gpunet, seed, stem)
    assert exchange.files.read(gpunet, seed, stem) == []


def test_losses_in_float64_are_the_same_but_for_rounding(tmp_path):
    import gpunet

    stem = tmp_path / "0.gpunet"
    exchange.files.write(gpunet, 0, stem)
    wanted = json.loads(stem.with_name("0.gpunet.json").read_text())["losses"]
    found = exchange.files.double_losses(gpunet, 0, stem)
    assert len(found) == len(wanted) == exchange.files.STEPS
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert found != wanted
    assert gpunet.config.floatx() == "float32"


def test_a_seed_is_a_model():
    import gpunet

    one, other = (build(gpunet, 3) for _ in range(2))
    assert [type(layer) for layer in one.model.layers] == [type(layer) for layer in other.model.layers]
