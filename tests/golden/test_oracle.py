"""An oracle of values from Keras, drawn for any seed, where it lies beside the project and Keras can run it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import gpunet

from . import oracle

SCRIPT = Path(__file__).resolve().parents[3] / "shared" / "oracles" / "keras_oracle.py"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    if not SCRIPT.exists():
        pytest.skip("the oracle is not beside the project")
    for name in ("keras", "jax"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    folder = tmp_path_factory.mktemp("oracle")
    subprocess.run([sys.executable, SCRIPT, "gen", folder, "2026"], check=True, capture_output=True)
    return folder


@pytest.fixture(autouse=True)
def doubles():
    before = gpunet.config.floatx()
    gpunet.config.set_floatx("float64")
    yield
    gpunet.config.set_floatx(before)


def test_every_case_agrees(drawn):
    found = list(oracle.compare(drawn))
    assert len(found) > 200
    assert not [result for result in found if result[1]]


def test_a_difference_is_seen(drawn, monkeypatch):
    monkeypatch.setattr(oracle, "SMALLER", 0.31)
    assert {case.split()[0] for case, off in oracle.compare(drawn) if off} == {"optimizers"}
