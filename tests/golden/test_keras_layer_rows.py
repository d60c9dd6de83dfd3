"""Layers compute what Keras's do: in keras_layer_rows.npz, and in an installed Keras on other numbers."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import gpunet

from .keras_layer_rows import named_rows, values
from .store import load

ROWS = named_rows()
rows = pytest.mark.parametrize("name", ROWS)
BROKEN = {"torch": {"LayerNormalization2"}}  # where Keras itself fails: an axis that is not the last one


@pytest.fixture(scope="module")
def golden():
    return load(Path(__file__).with_name("keras_layer_rows.npz"))


def compare(found, expected):
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key].shape == value.shape, key
        np.testing.assert_allclose(found[key], value, rtol=2e-5, atol=2e-5, err_msg=key)


@rows
def test_computes_what_keras_did(name, golden):
    expected = {key: value for key, value in golden.items() if key.startswith(f"{name}/")}
    assert expected
    compare(values(name, ROWS[name], gpunet), expected)


@rows
def test_computes_what_keras_does(name, real_keras):
    if name in BROKEN.get(real_keras.backend.backend(), ()):
        pytest.skip("Keras fails on this backend")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = values(name, ROWS[name], real_keras, seed=1)
    compare(values(name, ROWS[name], gpunet, seed=1), expected)


@rows
def test_configuration_is_what_keras_writes(name, real_keras):
    ours, theirs = (set(ROWS[name].make(library).get_config()) for library in (gpunet, real_keras))
    optional = {"activity_regularizer", "quantization_config"}  # written where there is one
    assert ours - optional == theirs - optional
