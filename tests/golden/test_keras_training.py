"""Schedules, optimizers, losses and metrics are Keras's: in keras_training.npz, and of an installed Keras."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

import gpunet

from .keras_training_cases import CASES
from .store import load

cases = pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES])


@pytest.fixture(scope="module")
def golden():
    return load(Path(__file__).with_name("keras_training.npz"))


@pytest.fixture(scope="module")
def keras_values():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip(os.environ["KERAS_BACKEND"], reason="Keras's backend is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own
        pytest.importorskip("keras", reason="Keras is not installed")
        from .make_keras_training import values
    return values


@pytest.fixture(autouse=True)
def doubles():
    before = gpunet.config.floatx()
    gpunet.config.set_floatx("float64")
    yield
    gpunet.config.set_floatx(before)


def compare(found, expected):
    assert set(found) == set(expected)
    for key, value in expected.items():
        # Keras has π as a float32 number in places, and its metrics add up in float32 on some backends.
        atol = 2e-6 if "Circle" in key or "CTC" in key or key.startswith("metric") else 1e-8  # float32 in Keras
        np.testing.assert_allclose(found[key], value, rtol=2e-6, atol=atol, err_msg=key)


@cases
def test_the_file(case, golden):
    compare(case.values(gpunet, seed=0), {k: v for k, v in golden.items() if k.rpartition("/")[0] == case.name})


@cases
@pytest.mark.filterwarnings("ignore")
def test_keras_itself(case, keras_values):
    expected = keras_values(case, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(case.values(gpunet, seed=1), expected)


def test_the_file_has_every_case(golden):
    assert {name.rpartition("/")[0] for name in golden} == {case.name for case in CASES}
    assert len({case.name for case in CASES}) == len(CASES)
