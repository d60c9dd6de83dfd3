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
from tests.golden.make_keras_files import CASES, FOLDER, batch

each = pytest.mark.parametrize("name", CASES)
ROOT = Path(__file__).parents[2]


def shapes_of(name):
    return CASES[name](gpunet)[1:]


@each
def test_keras_files_load_and_training_goes_on(name):
    model = gpunet.models.load_model(FOLDER / f"{name}.keras")
    expected = np.load(FOLDER / f"{name}.npz")
    x, y = batch(*shapes_of(name))
    np.testing.assert_allclose(model.predict(x, verbose=0), expected["output"], rtol=1e-5, atol=1e-6)
    assert model.optimizer.iterations == 2
    for loss in expected["steps"]:
        model.reset_metrics()
        np.testing.assert_allclose(model.train_on_batch(x, y, return_dict=True)["loss"], loss, rtol=2e-5)


@each
def test_weights_of_keras_files_fit_our_own_model(name):
    model, *shapes = CASES[name](gpunet)
    model.load_weights(FOLDER / f"{name}.keras")
    x, _ = batch(*shapes)
    expected = np.load(FOLDER / f"{name}.npz")["output"]
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


KERAS_READS = """
import json, sys, numpy as np
from tests.golden.make_keras_files import CASES, batch
import keras
folder, found = sys.argv[1], {}
for name, make in CASES.items():
    shapes = make(keras)[1:]
    x, y = batch(*shapes)
    model = keras.models.load_model(f"{folder}/{name}.keras")
    output = model.predict(x, verbose=0).tolist()
    steps = []
    for _ in range(3):
        model.reset_metrics()
        steps.append(float(model.train_on_batch(x, y, return_dict=True)["loss"]))
    other = make(keras)[0]
    other.load_weights(f"{folder}/{name}.weights.h5")
    same = np.array_equal(other.predict(x, verbose=0), np.array(output, "float32"))
    found[name] = [output, steps, bool(same), [layer.name for layer in model.layers]]
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("keras"), reason="Keras is not installed")
def test_keras_loads_what_gpunet_saves(tmp_path):
    backend = next((b for b in ("torch", "jax") if importlib.util.find_spec(b)), None)
    if backend is None:
        pytest.skip("Keras has no backend here")
    models = {}
    for name, make in CASES.items():
        model, *shapes = make(gpunet)
        x, y = batch(*shapes)
        for _ in range(2):
            model.train_on_batch(x, y)
        model.save(tmp_path / f"{name}.keras")
        model.save_weights(tmp_path / f"{name}.weights.h5")
        models[name] = model
    run = subprocess.run(
        [sys.executable, "-c", KERAS_READS, str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(run.stdout.splitlines()[-1])
    for name, model in models.items():
        output, steps, same, order = found[name]
        x, y = batch(*shapes_of(name))
        np.testing.assert_allclose(model.predict(x, verbose=0), output, rtol=1e-5, atol=1e-6)
        for loss in steps:
            model.reset_metrics()
            np.testing.assert_allclose(model.train_on_batch(x, y, return_dict=True)["loss"], loss, rtol=2e-5)
        assert same
        assert order == [layer.name for layer in model.layers]
