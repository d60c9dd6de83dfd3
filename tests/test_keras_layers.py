"""Layers, losses, metrics, optimizers and whole trainings against what Keras computed, from a file and live."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gpunet

GOLDEN = Path(__file__).parent / "golden"


def _cases():
    spec = importlib.util.spec_from_file_location("keras_layer_cases", GOLDEN / "keras_layer_cases.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cases = _cases()


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "keras_layers.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("part", cases.PARTS, ids=lambda part: part.__name__.strip("_"))
def test_computes_what_keras_does(part, golden):
    found = {key: cases.array(value) for key, value in part(gpunet)}
    prefixes = {key.split("/")[0] for key in found}
    assert set(found) == {key for key in golden if key.split("/")[0] in prefixes}
    wrong = [message for key, value in found.items() if (message := _difference(key, value, golden[key]))]
    assert not wrong, "\n".join(wrong)


def _difference(key, found, expected):
    if found.shape != expected.shape:
        return f"{key}: shape {found.shape}, Keras {expected.shape}"
    if not np.allclose(found, expected, rtol=2e-4, atol=2e-5):
        return f"{key}: differs by {np.abs(found - expected).max():.2e} of {np.abs(expected).max():.2e}"
    return None


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="Keras is not installed")
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="Keras needs a backend: PyTorch is not installed")
def test_the_file_is_what_keras_computes(golden, tmp_path):
    fresh = tmp_path / "fresh.npz"
    maker = str(GOLDEN / "make_keras_layers.py")
    subprocess.run(
        [sys.executable, maker, str(fresh)], env={**os.environ, "KERAS_BACKEND": "torch"}, check=True, timeout=300
    )
    with np.load(fresh) as file:
        live = {name: file[name] for name in file.files}
    assert set(live) == set(golden)
    del live["layer/19-AveragePooling2D"]  # on PyTorch, unlike on JAX and TensorFlow, Keras counts the padding
    wrong = [message for key, value in live.items() if (message := _difference(key, value, golden[key]))]
    assert not wrong, "\n".join(wrong)
