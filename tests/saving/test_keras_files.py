"""Files of real Keras: committed ones, and where Keras is installed both directions."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gpunet
from gpunet import tree
from tests.golden.architectures import ARCHITECTURES, batch
from tests.golden.make_keras_files import FOLDER, train

each = pytest.mark.parametrize("name", ARCHITECTURES)
ROOT = Path(__file__).parents[2]
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def ours(name):
    """The model built by gpunet, with the data that it is for; this registers custom classes too."""
    model, *shapes = ARCHITECTURES[name](gpunet)
    return model, *batch(*shapes)


def expected(name):
    with np.load(FOLDER / f"{name}.npz") as file:
        return [file[key] for key in file.files if key != "losses"], file["losses"]


def check_outputs(found, wanted):
    found = tree.flatten(found)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted):
        np.testing.assert_allclose(a, b, **CLOSE)


@each
def test_keras_files_load_and_training_goes_on(name):
    _, x, y = ours(name)
    outputs, losses = expected(name)
    model = gpunet.models.load_model(FOLDER / f"{name}.keras")
    check_outputs(model.predict(x, verbose=0), outputs)
    assert model.optimizer.iterations == 2
    np.testing.assert_allclose(train(model, x, y, len(losses)), losses, rtol=2e-5)


@each
def test_weights_of_keras_files_fit_our_own_model(name):
    model, x, _ = ours(name)
    model.load_weights(FOLDER / f"{name}.keras")
    check_outputs(model.predict(x, verbose=0), expected(name)[0])


KERAS_READS = """
import json, sys, numpy as np
from tests.golden.architectures import ARCHITECTURES, batch
from tests.golden.make_keras_files import train
import keras
folder, found = sys.argv[1], {}
for name, make in ARCHITECTURES.items():
    other, *shapes = make(keras)
    x, y = batch(*shapes)
    model = keras.models.load_model(f"{folder}/{name}.keras")
    outputs = [a.tolist() for a in keras.tree.flatten(model.predict(x, verbose=0))]
    other.load_weights(f"{folder}/{name}.weights.h5")
    same = [a.tolist() for a in keras.tree.flatten(other.predict(x, verbose=0))] == outputs
    found[name] = [outputs, train(model, x, y, 3), same, [layer.name for layer in model.layers]]
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("keras"), reason="Keras is not installed")
def test_keras_loads_what_gpunet_saves(tmp_path):
    backend = next((b for b in ("torch", "jax") if importlib.util.find_spec(b)), None)
    if backend is None:
        pytest.skip("Keras has no backend here")
    models = {}
    for name in ARCHITECTURES:
        model, x, y = models[name] = ours(name)
        train(model, x, y, 2)
        model.save(tmp_path / f"{name}.keras")
        model.save_weights(tmp_path / f"{name}.weights.h5")
    run = subprocess.run(
        [sys.executable, "-c", KERAS_READS, str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(run.stdout.splitlines()[-1])
    for name, (model, x, y) in models.items():
        outputs, losses, same, order = found[name]
        check_outputs(model.predict(x, verbose=0), outputs)
        np.testing.assert_allclose(train(model, x, y, len(losses)), losses, rtol=2e-5, err_msg=name)
        assert same, name
        assert order == [layer.name for layer in model.layers]
