"""`import keras` that finds gpunet, in processes of their own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(code, *arguments, status=0):
    """What a program prints; `arguments` come before the code."""
    command = [sys.executable, *arguments, textwrap.dedent(code)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == status, found.stderr
    return found.stdout if status == 0 else found.stderr


def test_every_way_to_import_finds_the_same_modules():
    run(
        """
        import gpunet
        gpunet.install_as_keras()
        gpunet.install_as_keras()  # again: nothing happens
        import keras
        import keras.layers as L
        import tensorflow.keras.backend as K
        from keras import layers, models
        from keras.layers import Conv2D, Dense
        from keras.models import Sequential
        from keras.optimizers.schedules import CosineDecay
        from keras.preprocessing.sequence import pad_sequences
        from keras.utils import to_categorical
        from tensorflow import keras as other
        from tensorflow.keras.callbacks import EarlyStopping
        assert keras is gpunet is other
        assert L is layers is gpunet.layers
        assert layers.__name__ == layers.__spec__.name == "gpunet.layers"
        assert Dense is gpunet.layers.Dense
        assert K.floatx() == "float32"
        assert keras.Model is models.Model
        model = Sequential([keras.Input((3,)), Dense(2)])
        assert type(model).__module__ == "gpunet.models.sequential"
        try:
            import keras.applications
        except ModuleNotFoundError as error:
            assert "'keras.applications': gpunet, which stands for it, has no gpunet.applications" in str(error)
        import importlib.util
        if importlib.util.find_spec("tensorflow").origin is None:
            import tensorflow as tf
            assert tf.keras is gpunet
            try:
                tf.constant(1)
            except AttributeError as error:
                assert "stands for tensorflow.keras only" in str(error)
        """,
        "-c",
    )


def test_nothing_happens_unasked():
    run("import sys, gpunet, gpunet.layers, gpunet.as_keras; assert 'keras' not in sys.modules", "-c")
    run("import sys, gpunet.as_keras as a; assert not any(isinstance(f, a._Finder) for f in sys.meta_path)", "-c")


def test_too_late_is_an_error():
    code = """
        import sys, types
        sys.modules["keras"] = types.ModuleType("keras")
        import gpunet
        gpunet.install_as_keras()
        """
    assert "must be called before Keras is imported. Received: ['keras'] imported" in run(code, "-c", status=1)


SCRIPT = """
import sys
import helper
from keras import layers
from keras.models import Sequential
print(layers.Dense.__module__, sys.argv[1:], __name__, helper.VALUE)
"""


@pytest.mark.parametrize("as_module", [False, True])
def test_a_script_runs_on_gpunet(tmp_path, as_module):
    (tmp_path / "old.py").write_text(SCRIPT)
    (tmp_path / "helper.py").write_text("VALUE = 5")
    target = ["-m", "old"] if as_module else [str(tmp_path / "old.py")]
    command = [sys.executable, "-m", "gpunet.as_keras", *target, "--epochs", "3"]
    environment = {"PYTHONPATH": f"{ROOT}:{tmp_path}" if as_module else str(ROOT)}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert found.stdout == "gpunet.layers.core.dense ['--epochs', '3'] __main__ 5\n"


def test_how_to_use_it():
    command = [sys.executable, "-m", "gpunet.as_keras"]
    assert (
        "usage: python -m gpunet.as_keras"
        in subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    )
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 2
