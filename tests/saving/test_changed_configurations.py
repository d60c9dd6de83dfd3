"""Files whose configuration was changed somewhere: they are read, or one clear error says what is wrong."""

import copy
import json
import random
import zipfile
from contextlib import suppress

import pytest

import gpunet as keras
from gpunet import layers
from gpunet.models import load_model

CHANGED = [None, -1, 0, float("nan"), 1e308, "x", [], {}, [[[]]], True, 10**30, "../../etc/passwd"]
CHANGED += [{"class_name": "Dense"}, {"class_name": "Dense", "config": {}}, {"class_name": 7, "config": 3}]


def network():
    """A graph with a nested model, a recurrent layer, an op, a shared layer and a schedule."""
    a = keras.Input((4,), name="a")
    shared = layers.Dense(3, name="shared")
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2)], name="inner")
    x = layers.LSTM(2)(layers.RepeatVector(2)(shared(a)))
    model = keras.Model(a, layers.Concatenate()([inner(shared(a * 2.0)) * 2.0, x]))
    rate = keras.optimizers.schedules.CosineDecay(0.01, 9)
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model


def places(config, place=()):
    """The ways to everything in a structure."""
    yield place
    inner = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for key, value in inner:
        yield from places(value, (*place, key))


def changed(config, place, value):
    """The configuration with another value at a place, or without it where `value` is a function."""
    found = copy.deepcopy(config)
    inside = found
    for key in place[:-1]:
        inside = inside[key]
    if callable(value):
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    return found


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    network().save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path, members, config):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else content)
    return path


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.filterwarnings("ignore")
def test_one_change_raises_no_other_error(seed, members, tmp_path):
    config = json.loads(members["config.json"])
    draw = random.Random(seed)
    all_places = [place for place in places(config) if place and place[-1] != "quantization_config"]
    for _ in range(15):
        place, value = draw.choice(all_places), draw.choice([*CHANGED, dict.pop])
        path = written(tmp_path / "changed.keras", members, changed(config, place, value))
        with suppress(ValueError):
            load_model(path)


def graph_with(**values):
    def change(config):
        config["config"].update(values)

    return change


def history(value):
    def change(config):
        config["config"]["layers"][-1]["inbound_nodes"][0]["args"][0][0]["config"]["keras_history"] = value

    return change


def circle(config):
    last = config["config"]["layers"][-1]
    first = next(layer for layer in config["config"]["layers"] if layer["name"] == "shared")
    first["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [last["name"], 0, 0]


def enormous(config):
    layer = next(layer for layer in config["config"]["layers"] if layer["name"] == "shared")
    layer["config"]["units"] = 10**15


def deep(config):
    nested = "x"
    for _ in range(900):
        nested = [nested]
    config["config"]["output_layers"] = nested


GRAPHS = {
    "no layers": (graph_with(layers=7), "a list of layers"),
    "no calls": (graph_with(layers=[{"class_name": "Dense", "config": {}}]), "a layer with its calls"),
    "no layer": (history(["nobody", 0, 0]), "the layer, the call and the output of a tensor"),
    "no number": (history(["shared", "0", 0]), "the layer, the call and the output of a tensor"),
    "negative": (history(["shared", -1, 0]), "the layer, the call and the output of a tensor"),
    "no tensor": (history(None), "the layer, the call and the output of a tensor"),
    "no input": (graph_with(input_layers=["nobody", 0, 0]), "the layer, the call and the output of a tensor"),
    "circle": (circle, "depend on each other"),
    "enormous": (enormous, "does not make a model"),
    "deep": (deep, "does not make a model|the layer, the call"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_that_are_none(name, members, tmp_path):
    change, message = GRAPHS[name]
    config = json.loads(members["config.json"])
    change(config)
    with pytest.raises(ValueError, match=message):
        load_model(written(tmp_path / "changed.keras", members, config))
