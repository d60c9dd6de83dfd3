"""`training` in the calls of a written graph: Keras writes a signature's default where nobody gave a value."""

import json

import numpy as np
import pytest

import gpunet as keras
from gpunet import layers
from gpunet.models import model_from_json

ONES = np.ones((4, 32), "float32")


def written(training):
    """The graph of a model with a Dropout, as JSON, with what its call says of `training`."""
    x = keras.Input((32,))
    config = json.loads(keras.Model(x, layers.Dropout(0.5)(x)).to_json())
    config["config"]["layers"][1]["inbound_nodes"][0]["kwargs"] = {"training": training}
    return model_from_json(json.dumps(config))


def test_a_written_default_leaves_the_model_its_training():
    model = written(False)
    assert (np.asarray(model(ONES, training=True)) != ONES).any()
    np.testing.assert_array_equal(model(ONES), ONES)


@pytest.mark.parametrize("value", [True, False])
def test_a_given_value_holds_after_reading(value):
    x = keras.Input((32,))
    model = keras.Model(x, layers.Dropout(0.5)(x, training=value))
    copy = model_from_json(model.to_json())
    for training in (True, False):
        for m in (model, copy):
            assert (np.asarray(m(ONES, training=training)) != ONES).any() == value
