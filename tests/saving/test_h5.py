"""Models and weights in `.h5` files, folders and shards: round trips, by name, and files that are not to be trusted."""

import json
import os

import h5py
import numpy as np
import pytest

import gpunet as keras
from gpunet import layers
from gpunet.models import load_model

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(8, 2)).astype("float32")


def stack():
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="first"), layers.BatchNormalization(), layers.Dense(2, name="last")]
    )


def graph():
    """Two inputs, an op, a shared layer, a frozen one and a nested model."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(3, name="shared")
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(2, trainable=False)], name="inner")
    y = inner(shared(a) + shared(b)) * 2.0
    return keras.Model({"a": a, "b": b}, layers.Dense(2, name="out")(y))


def trained(model, x):
    model.compile(keras.optimizers.Adam(0.01), keras.losses.MeanSquaredError(), metrics=["mae"])
    model.fit(x, Y, verbose=0, shuffle=False)
    return model


CASES = {"stack": (stack, X), "graph": (graph, {"a": X, "b": X[::-1].copy()})}
each = pytest.mark.parametrize("case", CASES)


def same(one, other):
    for v, w in zip(one, other, strict=True):
        np.testing.assert_array_equal(v, w)


@each
@pytest.mark.parametrize("name", ["model.h5", "model.hdf5", "folder"])
def test_training_goes_on(case, name, tmp_path):
    make, x = CASES[case]
    model = trained(make(), x)
    model.save(tmp_path / name, zipped=None if "." in name else False)
    other = load_model(tmp_path / name)
    same(other.get_weights(), model.get_weights())
    for m in (model, other):
        m.fit(x, Y, verbose=0, shuffle=False)
    same(other.get_weights(), model.get_weights())
    assert not load_model(tmp_path / name, compile=False).compiled


def test_h5_without_the_optimizer(tmp_path):
    model = trained(stack(), X)
    model.save(tmp_path / "model.h5", include_optimizer=False)
    assert not load_model(tmp_path / "model.h5").compiled
    with pytest.raises(ValueError, match="exists"):
        model.save(tmp_path / "model.h5", overwrite=False)


def test_weights_of_h5_in_order_and_by_name(tmp_path):
    model, other = trained(stack(), X), stack()
    model.save(tmp_path / "model.h5")
    other.load_weights(tmp_path / "model.h5")
    same(other.get_weights(), model.get_weights())
    wider = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="first"), layers.Dense(5, name="last")])
    with pytest.raises(ValueError, match="Layer count mismatch"):
        wider.load_weights(tmp_path / "model.h5")
    before = wider.get_weights()
    with pytest.raises(ValueError, match=r"(?s)nothing was changed.*Shape mismatch.*\(3, 5\).*\(3, 2\)"):
        wider.load_weights(tmp_path / "model.h5", by_name=True)
    same(wider.get_weights(), before)
    with pytest.warns(UserWarning, match="Left out"):
        wider.load_weights(tmp_path / "model.h5", by_name=True, skip_mismatch=True)
    same(wider.get_weights()[:2], model.get_weights()[:2])
    with pytest.raises(ValueError, match="`by_name` only"):
        wider.load_weights(tmp_path / "model.keras", by_name=True)


def test_many_layers_need_several_attributes(tmp_path):
    deep = [layers.Dense(1, name=f"{i:0200}") for i in range(340)]
    model = keras.Sequential(deep)
    for layer in deep:
        layer.build((None, 1))
    model.built = True
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        assert "layer_names1" in file["model_weights"].attrs
    other = keras.Sequential([layers.Dense(1, name=layer.name) for layer in deep])
    for layer in other.layers:
        layer.build((None, 1))
    other.built = True
    other.load_weights(tmp_path / "model.h5")
    same(other.get_weights(), model.get_weights())


def keras_2(tmp_path):
    """A file as Keras 2 wrote it: shapes with layers, calls as lists, other names of arguments."""

    def layer(name, kind, *nodes, **config):
        inbound = [[[source, 0, 0, {}] for source in node] for node in nodes]
        return {"class_name": kind, "config": {"name": name, **config}, "name": name, "inbound_nodes": inbound}

    glorot = {"class_name": "GlorotUniform", "config": {"seed": None}}
    floats = {"trainable": True, "dtype": "float32"}
    config = {
        "name": "old",
        "layers": [
            layer("x", "InputLayer", batch_input_shape=[None, 4], dtype="float32", sparse=False, ragged=False),
            layer("d", "Dense", ["x"], units=3, activation="relu", kernel_initializer=glorot, **floats),
            layer("e", "Dense", ["x"], units=3, **floats),
            layer("n", "BatchNormalization", ["d"], axis=[1], **floats),
            layer("s", "Add", ["n", "e"], **floats),
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["s", 0, 0]],
    }
    training = {
        "loss": "mse",
        "metrics": ["mae"],
        "loss_weights": None,
        "optimizer_config": {"class_name": "Adam", "config": {"name": "Adam", "learning_rate": 0.5, "decay": 0.0}},
    }
    rng = np.random.default_rng(0)
    weights = {
        "d": {"d/kernel:0": (4, 3), "d/bias:0": (3,)},
        "e": {"e/kernel:0": (4, 3), "e/bias:0": (3,)},
        "n": {f"n/{part}:0": (3,) for part in ("gamma", "beta", "moving_mean", "moving_variance")},
    }
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config}).encode()
        file.attrs["training_config"] = json.dumps(training).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in ("x", "d", "e", "n", "s")]
        for name in ("x", "d", "e", "n", "s"):
            own = group.create_group(name)
            own.attrs["weight_names"] = [key.encode() for key in weights.get(name, {})]
            for key, shape in weights.get(name, {}).items():
                own[key] = rng.uniform(0.5, 1, shape).astype("float32")
    return tmp_path / "old.h5"


def test_a_file_of_keras_2(tmp_path):
    path = keras_2(tmp_path)
    model = load_model(path)
    with h5py.File(path) as file:
        read = {key: np.array(file[f"model_weights/{key[0]}/{key}:0"]) for key in ("d/kernel", "d/bias", "e/kernel")}
        read |= {f"n/{p}": np.array(file[f"model_weights/n/n/{p}:0"]) for p in ("gamma", "beta")}
        mean, variance = (np.array(file[f"model_weights/n/n/moving_{p}:0"]) for p in ("mean", "variance"))
        bias = np.array(file["model_weights/e/e/bias:0"])
    hidden = np.maximum(X @ read["d/kernel"] + read["d/bias"], 0)
    normal = (hidden - mean) / np.sqrt(variance + 1e-3) * read["n/gamma"] + read["n/beta"]
    np.testing.assert_allclose(model.predict(X, verbose=0), normal + X @ read["e/kernel"] + bias, rtol=1e-4, atol=1e-5)
    assert float(model.optimizer.learning_rate) == 0.5
    model.fit(X, X[:, :3], verbose=0)


def config_with(change):
    def apply(file):
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)

    return apply


def last(**values):
    return config_with(lambda config: config["config"]["layers"][-1].update(values))


def linked(file):
    del file["model_weights/first"]
    file["model_weights/first"] = h5py.SoftLink("/model_weights/last")


def outside(file):
    name = file["model_weights/last"].attrs["weight_names"][0]
    del file["model_weights/last"][name]
    file["model_weights/last"].create_dataset(name, (3, 2), "f4", external=[("other.bin", 0, 24)])


def renamed(file):
    file["model_weights/last"].attrs["weight_names"] = [b"../first/kernel", b"bias"]


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wA=", None, None]}}
CHANGES = {
    "lambda": (config_with(lambda c: c["config"]["layers"][-1]["config"].update(activation=LAMBDA)), "safe_mode=False"),
    "foreign": (last(module="os", class_name="system"), "unknown class or function 'system'"),
    "nameless": (last(class_name=None), "."),
    "no configuration": (lambda file: file.attrs.pop("model_config"), "no model config"),
    "no JSON": (lambda file: file.attrs.modify("model_config", "{"), "not JSON"),
    "deep": (lambda file: file.attrs.modify("model_config", "[" * 100_000), "not JSON"),
    "list": (lambda file: file.attrs.modify("model_config", "[]"), "not that of a model"),
    "no layers": (config_with(lambda c: c.update(config=7)), "configuration of a model"),
    "no weights": (lambda file: file.pop("model_weights"), "no weights"),
    "link": (linked, "link"),
    "other files": (outside, "other files"),
    "other places": (renamed, "no array"),
    "no group": (lambda file: file.pop("model_weights/last"), "no group"),
    "not text": (
        lambda file: file["model_weights"].attrs.create("layer_names", [b"\xff\xfe"]),
        "no group|expected text",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_h5_files_that_are_not_to_be_trusted(name, tmp_path, monkeypatch):
    change, message = CHANGES[name]
    path = tmp_path / "model.h5"
    stack().save(path)
    with h5py.File(path, "a") as file:
        change(file)
    monkeypatch.setattr(layers.Dense, "__init__", lambda *args, **kwargs: pytest.fail("something was built"))
    with pytest.raises(ValueError, match=message):
        load_model(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_h5(share, tmp_path):
    path = tmp_path / "model.h5"
    stack().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match="whole HDF5|damaged"):
        load_model(path)


def test_h5_of_other_shapes(tmp_path):
    path = tmp_path / "model.h5"
    stack().save(path)
    with h5py.File(path, "a") as file:
        name = file["model_weights/last"].attrs["weight_names"][0]
        del file["model_weights/last"][name]
        file["model_weights/last"][name] = np.zeros((2, 9), "f4")
    with pytest.raises(ValueError, match=r"Shape mismatch.*\(3, 2\).*\(2, 9\)"):
        load_model(path)


def test_shards(tmp_path):
    model, other = trained(stack(), X), stack()
    model.save_weights(tmp_path / "model.weights.json", max_shard_size=1e-7)
    assert len(list(tmp_path.glob("model_0*.weights.h5"))) > 2
    other.load_weights(tmp_path / "model.weights.json")
    same(other.get_weights(), model.get_weights())
    with pytest.raises(ValueError, match="exceeds the maximum shard size"):
        model.save_weights(tmp_path / "more.weights.json", max_shard_size=1e-9)


SHARD_TRICKS = {
    "missing": "gone.weights.h5",
    "elsewhere": "../secret.weights.h5",
    "absolute": "/etc/secret.weights.h5",
    "no name": 7,
    "link": "link.weights.h5",
}


@pytest.mark.parametrize("name", SHARD_TRICKS)
def test_shards_lie_beside_their_list(name, tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    model = stack()
    model.save_weights(folder / "model.weights.json", max_shard_size=1)
    model.save_weights(tmp_path / "secret.weights.h5")
    os.symlink(tmp_path / "secret.weights.h5", folder / "link.weights.h5")
    config = json.loads((folder / "model.weights.json").read_text())
    config["weight_map"]["/layers/dense/vars"] = SHARD_TRICKS[name]
    (folder / "model.weights.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="missing, or not beside it"):
        model.load_weights(folder / "model.weights.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}', "[" * 100_000])
def test_lists_of_shards_that_are_none(text, tmp_path):
    (tmp_path / "model.weights.json").write_text(text)
    with pytest.raises(ValueError, match="not a list of files"):
        stack().load_weights(tmp_path / "model.weights.json")


def test_folders_are_not_left(tmp_path):
    stack().save(tmp_path / "model", zipped=False)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "model" / "assets").mkdir()
    os.symlink(tmp_path / "secret", tmp_path / "model" / "assets" / "text")
    with pytest.raises(ValueError, match="link"):
        load_model(tmp_path / "model")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no model"):
        load_model(tmp_path / "empty")


def test_some_layers_may_be_skipped(tmp_path):
    model, other = stack(), stack()
    model.save_weights(tmp_path / "model.weights.h5")
    before = other.get_weights()
    other.load_weights(tmp_path / "model.weights.h5", objects_to_skip=[other.layers[0]])
    same(other.get_weights()[:2], before[:2])
    same(other.get_weights()[2:], model.get_weights()[2:])
