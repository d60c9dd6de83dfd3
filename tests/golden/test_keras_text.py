"""Layers of texts and categories give what Keras's do on TensorFlow, from a file."""

import json
from pathlib import Path

import numpy as np
import pytest

import gpunet

from .text_cases import NUMBERS, cases, plain

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "keras_text.json").read_text(encoding="utf-8"))
FOUND = {name: plain(result) for name, result in cases(gpunet)}


@pytest.mark.parametrize("name", FOUND)
def test_result_is_that_of_keras(name):
    found, expected = FOUND[name], GOLDEN[name]
    if isinstance(expected, list):
        assert found == expected
        return
    assert found["dtype"] == expected["dtype"]
    np.testing.assert_allclose(found["values"], expected["values"], rtol=1e-6)


def test_the_file_has_every_case():
    assert {*FOUND, "model"} == set(GOLDEN)


def test_a_model_of_keras_with_a_lookup():
    model = gpunet.models.load_model(HERE / "keras_text.keras")
    np.testing.assert_allclose(model.predict(np.array(NUMBERS), verbose=0), GOLDEN["model"]["values"], rtol=1e-6)
