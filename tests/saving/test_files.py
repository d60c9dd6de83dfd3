"""Files of models and weights: round trips, formats, atomic writing, and files that are not to be trusted."""

import json
import os
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import gpunet as keras
from gpunet import layers
from gpunet.models import load_model
from gpunet.saving import register_keras_serializable
from gpunet.saving.walk import saveables

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(8, 2)).astype("float32")
ROOT = Path(__file__).parents[2]


@register_keras_serializable("files")
class Blocks(keras.Model):
    """Layers in attributes, lists and dicts, one of them shared."""

    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.blocks = [layers.Dense(units), [layers.Dense(units, use_bias=False)]]
        self.named = {"last": layers.Dense(2), "again": self.blocks[0]}
        self.drop = layers.Dropout(0.5)

    def call(self, x):
        x = self.blocks[1][0](self.blocks[0](x))
        return self.named["last"](self.drop(x))


def dense():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dropout(0.5), layers.Dense(2)], name="dense")


def same(one, other):
    for v, w in zip(one, other, strict=True):
        np.testing.assert_array_equal(v, w)


ALL = "adadelta adafactor adagrad adamw adamax ftrl lamb lion nadam".split()
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "ema": lambda: keras.optimizers.SGD(0.1, use_ema=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "accumulating": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=3),
    "scheduled": lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 9), nesterov=True),
    "scaled nadam": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Nadam(0.01), dynamic_growth_steps=3),
    "scaled adafactor": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adafactor(0.01)),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01), dynamic_growth_steps=3),
    **{name: lambda name=name: keras.optimizers.get(name) for name in ALL},
}


CASES = [*((dense, name) for name in OPTIMIZERS), *((Blocks, name) for name in ("adam", "sgd", "ema"))]


@pytest.mark.parametrize(("make", "optimizer"), CASES, ids=lambda x: getattr(x, "__name__", x))
def test_training_goes_on_as_if_it_had_not_stopped(make, optimizer, tmp_path):
    keras.utils.set_random_seed(1)  # from some weights so large a step diverges
    model = make()
    model.compile(OPTIMIZERS[optimizer](), keras.losses.MeanSquaredError(), metrics=["mae"])
    model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    other = load_model(tmp_path / "model.keras")
    assert type(other) is type(model)
    same(other.get_weights(), model.get_weights())
    for m in (model, other):
        m.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    same(other.get_weights(), model.get_weights())
    same([v.numpy() for v in other.optimizer.variables], [v.numpy() for v in model.optimizer.variables])
    assert other.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "scaled", "accumulating", "scheduled"])
def test_compiled_but_never_trained(tmp_path, optimizer):
    model = dense()
    model.compile(OPTIMIZERS[optimizer](), "mse")
    model.save(tmp_path / "model.keras")
    other = load_model(tmp_path / "model.keras")
    for m in (model, other):
        m.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    same(other.get_weights(), model.get_weights())


def test_without_compiling(tmp_path):
    model = dense()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    other = load_model(tmp_path / "model.keras", compile=False)
    assert not other.compiled
    same(other.get_weights(), model.get_weights())


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "mixed_float16"])
def test_dtypes(dtype, tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype=dtype)])
    model.save(tmp_path / "model.keras")
    other = load_model(tmp_path / "model.keras")
    assert other.layers[0].dtype_policy == model.layers[0].dtype_policy
    assert [w.dtype for w in other.get_weights()] == [w.dtype for w in model.get_weights()]
    same(other.get_weights(), model.get_weights())


FORMATS = (".weights.h5", ".safetensors", ".npz")


@pytest.mark.parametrize("suffix", FORMATS)
def test_weights_in_every_format(suffix, tmp_path):
    model, other = Blocks(), Blocks()
    model(X), other(X)
    path = tmp_path / f"model{suffix}"
    model.save_weights(path)
    other.load_weights(path)
    same(other.get_weights(), model.get_weights())
    with pytest.raises(ValueError, match="exists"):
        model.save_weights(path, overwrite=False)
    with pytest.raises(ValueError, match="not yet been built"):
        Blocks().load_weights(path)


class Many(keras.Model):
    def __init__(self):
        super().__init__()
        for i in range(12):
            setattr(self, f"part_{i}", dense())


def test_weights_of_a_model_without_a_call(tmp_path):
    one, other = Many(), Many()
    one.save_weights(tmp_path / "many.weights.h5")
    other.load_weights(tmp_path / "many.weights.h5")
    same(other.get_weights(), one.get_weights())


def test_frozen_layers_stay_frozen(tmp_path):
    inputs = keras.Input((4,))
    trunk = keras.Model(inputs, layers.Dense(3, name="b")(layers.Dense(3, name="a")(inputs)), name="trunk")
    model = keras.Model(inputs, layers.Dense(2)(trunk(inputs)))
    trunk.get_layer("a").trainable = False
    model.compile("adam", "mse")
    model.fit(X, np.zeros((len(X), 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    for copy in (load_model(tmp_path / "model.keras"), keras.models.clone_model(model)):
        assert [v.path for v in copy.trainable_weights] == [v.path for v in model.trainable_weights]
        assert len(copy.trainable_weights) == 4


def test_paths_do_not_depend_on_what_was_asked_of_the_model():
    one, other = Many(), Many()
    assert len(other.weights) == 12 * 4
    expected = [path for path, _ in saveables(one)]
    assert [path for path, _ in saveables(other)] == expected
    sequential = ["sequential", *(f"sequential_{i}" for i in range(1, 12))]
    assert {f"layers/{name}/layers/dense_1" for name in sequential[1:]} <= set(expected)


def test_a_lambda_among_the_arguments_is_refused_when_saving(tmp_path):
    class Applies(layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def call(self, x):
            return self.function(x)

    inputs = keras.Input((3,))
    model = keras.Model(inputs, Applies(lambda x: x + 1)(inputs))
    with pytest.raises(NotImplementedError, match="a lambda has no name .* must override `get_config"):
        model.save(tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", FORMATS)
def test_weights_of_another_shape_change_nothing(suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    model, other = dense(), keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dropout(0.5), layers.Dense(5)])
    model.save_weights(path)
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"(?s)nothing was changed.*\(3, 5\).*\(3, 2\)"):
        other.load_weights(path)
    same(other.get_weights(), before)
    with pytest.warns(UserWarning, match="Left out"):
        other.load_weights(path, skip_mismatch=True)
    same(other.get_weights()[:2], model.get_weights()[:2])
    same(other.get_weights()[2:], before[2:])


def test_names_of_files_are_checked(tmp_path):
    with pytest.raises(ValueError, match="must end in `.keras`"):
        dense().save(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match="should not end in `.keras`"):
        dense().save(tmp_path / "model.keras", zipped=False)
    with pytest.raises(ValueError, match="must end in one of"):
        dense().save_weights(tmp_path / "model.h5")
    for size, name in ((None, "model.weights.json"), (1, "model.weights.h5")):
        with pytest.raises(ValueError, match="must end in `.weights.json`"):
            dense().save_weights(tmp_path / name, max_shard_size=size)
    for name in ("nothing.keras", "nothing.h5"):
        with pytest.raises(FileNotFoundError):
            load_model(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["__numpy__", "__tensor__"])
def test_constants_of_a_graph_are_read_from_their_configurations(kind):
    config = {"class_name": kind, "config": {"value": [[1.5, 2.0]], "dtype": "float32"}}
    found = keras.saving.deserialize_keras_object(config)
    np.testing.assert_array_equal(found, np.array([[1.5, 2.0]], "float32"), strict=True)


def test_a_missing_file(tmp_path):
    for kind in (FileNotFoundError, ValueError):  # Python's, and Keras's
        with pytest.raises(kind, match=r"File not found: filepath=.*none\.keras"):
            load_model(tmp_path / "none.keras")


def test_a_model_of_a_global_policy_comes_back_under_another(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(2)(inputs))
    keras.config.set_dtype_policy("float32")
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    other = load_model(tmp_path / "model.keras")
    same(other.optimizer.variables, model.optimizer.variables)
    assert other.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    for again in (model, other):
        again.fit(X, Y, verbose=0)
    same(other.weights, model.weights)


def test_custom_objects(tmp_path):
    class Twice(layers.Layer):
        def call(self, x):
            return x * 2

    model = keras.Sequential([keras.Input((4,)), Twice()])
    model.save(tmp_path / "model.keras")
    for kind in (ValueError, TypeError):  # the latter is Keras's
        with pytest.raises(kind, match="unknown class or function 'Twice'"):
            load_model(tmp_path / "model.keras")
    other = load_model(tmp_path / "model.keras", custom_objects={"Twice": Twice})
    np.testing.assert_array_equal(other(X), 2 * X)


def test_a_layer_of_two_models_stays_one(tmp_path):
    shared = layers.Dense(4, name="shared")
    x = keras.Input((4,))
    inner = keras.Input((4,))
    one = keras.Sequential([keras.Input((4,)), shared, layers.Dense(2)])
    other = keras.Model(inner, layers.Dense(2)(shared(inner)))
    model = keras.Model(x, one(x) + other(x))
    model.save(tmp_path / "model.keras")
    copy = load_model(tmp_path / "model.keras")
    same(copy.get_weights(), model.get_weights())
    assert len(copy.weights) == len(model.weights) == 6
    np.testing.assert_array_equal(copy(X), model(X))


def test_python_lambdas_travel_where_code_is_allowed(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: keras.ops.square(x) + 1)])
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        with pytest.raises(ValueError, match="safe_mode=False"):
            load_model(tmp_path / name)
        np.testing.assert_array_equal(load_model(tmp_path / name, safe_mode=False)(X), model(X))


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    dense().save(path)
    before = path.read_bytes()

    class Broken(layers.Layer):
        def save_own_variables(self, store):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        keras.Sequential([keras.Input((4,)), Broken()]).save(path)
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    for name in ("model.keras", "model.weights.h5"):
        with pytest.raises(OSError, match="disk full"):
            dense().save(path) if name == path.name else dense().save_weights(tmp_path / name)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5", "model.npz"])
def test_killing_a_save_leaves_the_old_file_or_the_new_one(name):
    """In a process without threads, which may fork."""
    kills = 50 if name == "model.keras" else 10
    command = [sys.executable, "-m", "tools.kill_saves", name, "--kills", str(kills)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    count, saves = re.match(r"(\d+) kills: the file was whole each time, of (\d+)", run.stdout).groups()
    assert int(count) == kills
    assert int(saves) > 3  # some came to their end, and were followed by another


def rewritten(path, change):
    """The archive with `change(members)` applied."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def config_with(change):
    def apply(members):
        config = json.loads(members["config.json"])
        change(config)
        members["config.json"] = json.dumps(config).encode()

    return apply


def last_layer(**values):
    return config_with(lambda config: config["config"]["layers"][-1].update(values))


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wA=", None, None]}}
CHANGES = {
    "lambda": (config_with(lambda c: c["config"]["layers"][-1]["config"].update(activation=LAMBDA)), "lambda"),
    "foreign module": (last_layer(module="os", class_name="system"), "unknown class or function 'system'"),
    "foreign module of a known name": (last_layer(module="evil"), "unknown class or function 'Dense'"),
    "no weights": (lambda m: m.pop("model.weights.h5"), "needs one"),
    "no JSON": (lambda m: m.update({"config.json": b"{"}), "not JSON"),
    "deep JSON": (lambda m: m.update({"config.json": b"[" * 100_000}), "not JSON"),
    "list": (lambda m: m.update({"config.json": b"[]"}), "not that of a model"),
    "no HDF5": (lambda m: m.update({"model.weights.h5": b"HDF"}), "not a whole HDF5 file"),
    "half HDF5": (lambda m: m.update({"model.weights.h5": m["model.weights.h5"][:900]}), "HDF5 file|damaged"),
    "bomb": (lambda m: m.update({"assets/zeros": bytes(300 << 20)}), "claims far more"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_archives_that_are_not_to_be_trusted(name, tmp_path, monkeypatch):
    change, message = CHANGES[name]
    path = tmp_path / "model.keras"
    dense().save(path)
    rewritten(path, change)
    monkeypatch.setattr(layers.Dense, "__init__", lambda *args, **kwargs: pytest.fail("something was built"))
    with pytest.raises(ValueError, match=message):
        load_model(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_archives(share, tmp_path):
    path = tmp_path / "model.keras"
    dense().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match="not a whole"):
        load_model(path)


def soft_link(file, kernel):
    file[kernel] = h5py.SoftLink("/layers/dense/vars/1")


def external_link(file, kernel):
    file[kernel] = h5py.ExternalLink("other.h5", "/data")


def external_data(file, kernel):
    file.create_dataset(kernel, (4, 3), "f4", external=[("other.bin", 0, 48)])


def virtual_data(file, kernel):
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "data", (4, 3))
    file.create_virtual_dataset(kernel, layout)


def bomb(file, kernel):
    file.create_dataset(kernel, (1 << 20, 1 << 10), "f4", chunks=(1 << 10, 1 << 10), compression="gzip")


def strings(file, kernel):
    file[kernel] = ["a", "b"]


def group(file, kernel):
    file.create_group(kernel)


TRICKS = {soft_link: "link", external_link: "link", external_data: "other files", virtual_data: "other files"}
TRICKS |= {bomb: "claims far more", strings: "expected numbers", group: "expected an array"}


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_hdf5_files_that_are_not_to_be_trusted(trick, tmp_path):
    path = tmp_path / "model.weights.h5"
    model = dense()
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        trick(file, "layers/dense/vars/0")
    before = model.get_weights()
    with pytest.raises(ValueError, match=TRICKS[trick]):
        model.load_weights(path)
    same(model.get_weights(), before)


def test_pickled_npz_is_refused(tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, **{"layers/dense/kernel": np.array([{}], object)})
    with pytest.raises(ValueError, match="plain arrays"):
        dense().load_weights(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_truncated_weights(suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    model = dense()
    model.save_weights(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="not a whole|damaged"):
        model.load_weights(path)


def test_an_unbuilt_model_is_saved_with_a_warning(tmp_path):
    path = tmp_path / "model.keras"
    with pytest.warns(UserWarning, match="not yet been built"):
        keras.Sequential([layers.Dense(2)]).save(path)
    with warnings.catch_warnings():
        assert load_model(path)(X).shape == (8, 2)


class WithFile(layers.Layer):
    """Keeps a text in a file of its own."""

    text = ""

    def call(self, x):
        return x

    def save_assets(self, folder):
        Path(folder, "deep").mkdir()
        Path(folder, "deep", "text.txt").write_text(self.text)

    def load_assets(self, folder):
        self.text = Path(folder, "deep", "text.txt").read_text()


def test_assets(tmp_path):
    model = keras.Sequential([keras.Input((2,)), WithFile(name="a"), WithFile(name="b")])
    model.layers[0].text, model.layers[1].text = "one", "two"
    model.save(tmp_path / "model.keras")
    other = load_model(tmp_path / "model.keras", custom_objects={"WithFile": WithFile})
    assert [layer.text for layer in other.layers] == ["one", "two"]


@pytest.mark.parametrize("name", ["assets/layers/../../out", "assets/..\\out", "assets/c:/out"])
def test_assets_stay_in_their_folder(name, tmp_path):
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((2,)), WithFile()]).save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    with pytest.raises(ValueError, match="leads out of its folder"):
        load_model(path, custom_objects={"WithFile": WithFile})
