"""Every layer through a `.keras` file: the same outputs from the same configuration."""

import json

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers
from gpunet.models import load_model
from gpunet.serialization import serialize
from tests.layers.table import TABLE, Indices, call


@pytest.mark.parametrize(("name", "arguments", "shapes"), TABLE, ids=[f"{i}-{row[0]}" for i, row in enumerate(TABLE)])
def test_layer_in_a_file(name, arguments, shapes, tmp_path):
    made = {k: v() if callable(v) and getattr(v, "__name__", "") == "<lambda>" else v for k, v in arguments.items()}
    inputs = [keras.Input(s, dtype="int32" if isinstance(s, Indices) else None) for s in shapes]
    layer = getattr(layers, name)(**made)
    model = keras.Model(inputs, call(layer, inputs if len(inputs) > 1 else inputs[0]))
    model.save(tmp_path / "model.keras")
    other = load_model(tmp_path / "model.keras")
    random = np.random.default_rng(0)
    x = [random.integers(0, 2, (2, *s)) if isinstance(s, Indices) else random.normal(size=(2, *s)) for s in shapes]
    for one, two in zip(keras.tree.flatten(model(x)), keras.tree.flatten(other(x)), strict=True):
        np.testing.assert_array_equal(one, two)
    assert json.dumps(serialize(other)) == json.dumps(serialize(model))
