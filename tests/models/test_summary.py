"""Summaries, as Keras prints them, from a file and live."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gpunet as keras
from gpunet import layers

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("summary_models", HERE / "summary_models.py")
summary_models = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(summary_models)
GOLDEN = json.loads((HERE.parent / "golden" / "keras_summaries.json").read_text())


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "130")
        return summary_models.summaries(keras)


@pytest.mark.parametrize("name", GOLDEN)
def test_prints_what_keras_prints(name, found):
    assert found[name].splitlines() == GOLDEN[name].splitlines()


def test_keras_still_prints_that():
    environment = {**os.environ, "KERAS_BACKEND": "torch", "COLUMNS": "130"}
    script = HERE.parent / "golden" / "make_keras_summaries.py"
    if importlib.util.find_spec("keras") is None or importlib.util.find_spec("torch") is None:
        pytest.skip("needs Keras and PyTorch as its backend")
    run = subprocess.run([sys.executable, script, "-"], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == GOLDEN


def test_wrong_ranges_and_widths():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, name="one"), layers.Dense(2, name="two")])
    with pytest.raises(ValueError, match="do not match the layer names in the model. Received: \\('one', 'three'\\)"):
        model.summary(layer_range=("one", "three"))
    with pytest.raises(ValueError, match="two names. Received: layer_range=\\('one',\\)"):
        model.summary(layer_range=("one",))
    with pytest.raises(ValueError, match="Insufficient console width"):
        model.summary(line_length=10)


def test_printed_without_a_function(capsys):
    keras.Sequential([keras.Input((3,)), layers.Dense(4, name="[odd]")], name="[bold]").summary()
    text = capsys.readouterr().out
    assert 'Model: "[bold]"' in text
    assert "[odd] (Dense)" in text


def test_layers_that_were_built_without_a_batch_have_none():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = keras.Sequential([layers.Conv2D(2, 3), layers.Dense(4)])

        def call(self, x):
            return self.inner(x)

    model = Own()
    model.build((None, 8, None, 1))
    assert model.inner.layers[0].get_build_config() == {"input_shape": (None, 8, None, 1)}
    assert "(None, 6, None, 2)" in summary_models.text(model, expand_nested=True)
