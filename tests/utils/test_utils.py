"""The helpers of `keras.utils`, `keras.config` and `keras.tree`."""

import hashlib
import io
import shutil
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import gpunet as keras
from gpunet import config, layers, random, tree, utils


def test_every_name_is_there():
    for name in utils.__all__:
        assert getattr(utils, name) is not None
    assert set(utils.__all__) == set(dir(utils))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = utils.nothing


def test_pad_sequences():
    given = [[1], [2, 3], [4, 5, 6], []]
    np.testing.assert_array_equal(utils.pad_sequences(given), [[0, 0, 1], [0, 2, 3], [4, 5, 6], [0, 0, 0]])
    found = utils.pad_sequences(given, maxlen=2, padding="post", truncating="post", value=-1, dtype="float32")
    np.testing.assert_array_equal(found, [[1, -1], [2, 3], [4, 5], [-1, -1]])
    np.testing.assert_array_equal(utils.pad_sequences(given, maxlen=2), [[0, 1], [2, 3], [5, 6], [0, 0]])
    vectors = utils.pad_sequences([np.ones((1, 2)), np.ones((3, 2))], dtype="float64")
    assert (vectors.shape, vectors.sum()) == ((2, 3, 2), 8)
    assert utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="-").tolist() == [["-", "a"], ["b", "c"]]
    with pytest.raises(ValueError, match="padding must be 'pre' or 'post'. Received: padding='middle'"):
        utils.pad_sequences(given, padding="middle")
    with pytest.raises(ValueError, match="must be a list of sequences"):
        utils.pad_sequences([1, 2])
    with pytest.raises(ValueError, match="is not compatible with `value`'s type"):
        utils.pad_sequences(given, value="x")
    with pytest.raises(ValueError, match="at position 1 is different from expected shape \\(2,\\)"):
        utils.pad_sequences([np.ones((1, 2)), np.ones((1, 3))])


def test_windows_of_a_series():
    data = np.arange(20)
    windows = utils.timeseries_dataset_from_array(data, data + 100, 4, sequence_stride=3, sampling_rate=2, batch_size=3)
    assert len(windows) == 2
    x, y = windows[0]
    np.testing.assert_array_equal(x, [[0, 2, 4, 6], [3, 5, 7, 9], [6, 8, 10, 12]])
    np.testing.assert_array_equal(y, [100, 103, 106])
    np.testing.assert_array_equal(windows[1][1], [109, 112])
    plain = utils.timeseries_dataset_from_array(data, None, 5, batch_size=None, start_index=10, end_index=16)
    np.testing.assert_array_equal(plain[0], [[10, 11, 12, 13, 14], [11, 12, 13, 14, 15]])
    mixed = utils.timeseries_dataset_from_array(data, data, 2, shuffle=True, seed=1, batch_size=32)[0][1]
    assert sorted(mixed) == list(range(19)) != list(mixed)
    with pytest.raises(ValueError, match="shorter than one window. Received: 20 samples"):
        utils.timeseries_dataset_from_array(data, None, 30)
    with pytest.raises(ValueError, match="sampling_rate must be a positive integer. Received: sampling_rate=0"):
        utils.timeseries_dataset_from_array(data, None, 3, sampling_rate=0)
    model = keras.Sequential([keras.Input((5, 1)), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    series = utils.timeseries_dataset_from_array(data[:, None] / 20, data / 20, 5, batch_size=4)
    assert len(model.fit(series, epochs=2, verbose=0).history["loss"]) == 2


def test_split_dataset():
    x, y = np.arange(10), np.arange(10) * 2
    (a, _), (_, d) = utils.split_dataset((x, y), left_size=0.8)
    np.testing.assert_array_equal(a, np.arange(8))
    np.testing.assert_array_equal(d, [16, 18])
    left, right = utils.split_dataset(x, right_size=3, shuffle=True, seed=0)
    assert sorted([*left, *right]) == list(range(10))
    assert len(right) == 3
    with pytest.raises(ValueError, match="At least one of"):
        utils.split_dataset(x)
    with pytest.raises(ValueError, match="do not fit a dataset of 10 samples. Received: left_size=8, right_size=3"):
        utils.split_dataset(x, 8, 3)
    with pytest.raises(ValueError, match="a share must be between 0 and 1. Received: 1.5"):
        utils.split_dataset(x, 1.5)


def served(tmp_path, content=b"hello"):
    """A file with an address, and its hash."""
    path = tmp_path / "there" / "data.bin"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path.as_uri(), hashlib.sha256(content).hexdigest()


def test_get_file(tmp_path):
    origin, sha256 = served(tmp_path)
    cache = tmp_path / "cache"
    path = utils.get_file(origin=origin, cache_dir=cache, file_hash=sha256)
    assert path == str(cache / "datasets" / "data.bin")
    served(tmp_path, b"other")
    assert Path(utils.get_file(origin=origin, cache_dir=cache)).read_bytes() == b"hello"
    with pytest.raises(ValueError, match="Incomplete or corrupted file detected"):
        utils.get_file(origin=origin, cache_dir=cache, file_hash=sha256, force_download=True)
    assert [p.name for p in (cache / "datasets").iterdir()] == ["data.bin"]
    md5 = hashlib.md5(b"other").hexdigest()  # of the new content: the file in the cache is stale
    assert Path(utils.get_file("data.bin", origin, cache_dir=cache, md5_hash=md5)).read_bytes() == b"other"
    with pytest.raises(ConnectionError, match="put the file at"):
        utils.get_file("gone", origin + ".gone", cache_dir=cache)
    with pytest.raises(ValueError, match='specify the "origin" argument'):
        utils.get_file("data.bin")
    with pytest.raises(ValueError, match="must be a SHA-256 or an MD5. Received: 'abc'"):
        utils.get_file("data.bin", origin, cache_dir=cache, file_hash="abc")


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inner/a.txt", "a")
    return file.getvalue()


def tarred(name="inner/a.txt"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = 1
        archive.addfile(info, io.BytesIO(b"a"))
    return file.getvalue()


@pytest.mark.parametrize("content", [zipped(), tarred()], ids=["zip", "tar"])
def test_get_file_unpacks(tmp_path, content):
    origin, _ = served(tmp_path, content)
    for _ in range(2):
        folder = utils.get_file("pack.tar.gz", origin, extract=True, cache_dir=tmp_path)
        assert (tmp_path / "datasets" / "pack_extracted" / "inner" / "a.txt").read_text() == "a"
        assert folder == str(tmp_path / "datasets" / "pack_extracted")


def test_an_archive_cannot_write_elsewhere(tmp_path):
    origin, _ = served(tmp_path, tarred("../../outside.txt"))
    with pytest.raises(tarfile.OutsideDestinationError):
        utils.get_file("pack.tar", origin, untar=True, cache_dir=tmp_path)
    assert not (tmp_path / "outside.txt").exists()
    assert not (tmp_path / "datasets" / "pack_extracted").exists()
    origin, _ = served(tmp_path, b"no archive")
    with pytest.raises(ValueError, match="is not an archive of these formats"):
        utils.get_file("none.zip", origin, extract=True, cache_dir=tmp_path)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progbar(monkeypatch, capsys):
    bar = utils.Progbar(4, stateful_metrics=["rate"])
    for i in range(4):
        bar.add(1, [("loss", float(i)), ("rate", float(i))])
    line = capsys.readouterr().out
    assert line.startswith("4/4 ━━━━━━━━━━━━━━━━━━━━ - 0s ")
    assert line.endswith("/step - loss: 1.5000 - rate: 3.0000\n")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    bar = utils.Progbar(2, interval=0, width=4)
    bar.update(1)
    bar.update(2)
    assert terminal.getvalue().count("\r") == 2
    assert "\r1/2 ━━──" in terminal.getvalue()
    utils.Progbar(2, verbose=0).update(2)
    assert terminal.getvalue().count("\r") == 2


def test_where_symbolic_tensors_come_from():
    a, b = keras.Input((3,)), keras.Input((3,))
    c = layers.Add()([layers.Dense(3)(a), b, a])
    assert utils.get_source_inputs(c) == [a, b]
    assert utils.get_source_inputs(a) == [a]
    assert utils.is_keras_tensor(c)
    assert not utils.is_keras_tensor(np.ones(3))
    assert keras.backend.is_keras_tensor(c)


def test_batches_as_tuples():
    assert utils.unpack_x_y_sample_weight((1, 2)) == (1, 2, None)
    assert utils.pack_x_y_sample_weight(1, 2) == (1, 2)
    assert utils.pack_x_y_sample_weight(1) == 1


def test_models_as_graphs(tmp_path):
    utils.clear_session()  # names begin anew
    inner = keras.Sequential([layers.Dense(4, activation="relu", name="deep")], name="inner")
    inputs = keras.Input((3,), name="x")
    model = keras.Model(inputs, layers.Add(name="sum")([inner(inputs), keras.ops.pad(inputs, [[0, 0], [0, 1]])]))
    plain = utils.model_to_dot(model, show_shapes=True, show_dtype=True, show_trainable=True)
    for part in ("inner (Sequential)", "sum (Add)", "pad (pad)", "(None, 4)", "float32", "trainable"):
        assert part in plain, part
    assert "deep" not in plain
    assert plain.count("->") == 4
    nested = utils.model_to_dot(model, expand_nested=True, show_layer_activations=True)
    for part in ("subgraph", 'label="inner"', "deep (Dense)", "activation: relu"):
        assert part in nested, part
    assert nested.count("->") == 4
    assert utils.model_to_dot(keras.Sequential([keras.Input((3,)), layers.Dense(1), layers.ReLU()])).count("->") == 1
    assert utils.plot_model(model, tmp_path / "model.dot", show_layer_names=True) == str(tmp_path / "model.dot")
    assert "sum (Add)" in (tmp_path / "model.dot").read_text()
    with pytest.raises(ValueError, match="has not yet been built"):
        utils.model_to_dot(keras.Sequential([layers.Dense(1)]))


def test_a_picture_of_a_model(tmp_path):
    pytest.importorskip("graphviz")
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    if shutil.which("dot") is None:
        with pytest.raises(ImportError, match="needs the program `dot`"):
            utils.plot_model(model, tmp_path / "model.png")
        pytest.skip("the program dot is not there")
    utils.plot_model(model, tmp_path / "model.png")
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")


class Slow(utils.PyDataset):
    """Batches that take their time, more so the first."""

    def __len__(self):
        return 6

    def __getitem__(self, i):
        time.sleep(0.02 if i == 0 else 0.0)
        if i == 5 and self.max_queue_size == 3:
            raise RuntimeError("batch 5 cannot be read")
        return np.full((2, 1), i, "float32"), np.zeros((2, 1), "float32")


def test_workers_read_ahead_in_order():
    model = keras.Sequential([keras.Input((1,)), layers.Identity()])
    found = model.predict(Slow(workers=4, max_queue_size=2), verbose=0)
    np.testing.assert_array_equal(found[:, 0], np.repeat(np.arange(6), 2))
    with pytest.raises(RuntimeError, match="batch 5 cannot be read"):
        model.predict(Slow(workers=2, max_queue_size=3), verbose=0)


def test_limits_of_epochs_and_steps(monkeypatch):
    monkeypatch.setattr(config, "_state", {**config._state})
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((40, 1))
    config.set_max_epochs(2)
    config.set_max_steps_per_epoch(3)
    assert model.fit(x, x, epochs=5, batch_size=4, verbose=0).epoch == [0, 1]
    assert int(model.optimizer.iterations) == 6
    assert model.predict(x, batch_size=4, verbose=0).shape == (12, 1)
    config.set_max_epochs(None)
    config.set_max_steps_per_epoch(None)
    assert len(model.fit(x, x, epochs=3, verbose=0).epoch) == 3
    with pytest.raises(ValueError, match="max_epochs must be a positive int or None. Received: max_epochs=0"):
        config.set_max_epochs(0)
    monkeypatch.setattr(config, "_state", {})
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "7")
    assert config.max_epochs() == 7


def test_progress_without_a_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(config, "_state", {**config._state})
    utils.disable_interactive_logging()
    assert not utils.is_interactive_logging_enabled()
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.predict(np.ones((4, 1)), verbose=1)
    assert terminal.getvalue().startswith("Predict - 1/1 - ")
    utils.enable_interactive_logging()
    assert utils.is_interactive_logging_enabled()


def test_names_of_backend_and_config():
    assert keras.backend.backend() == config.backend() == "gpunet"
    assert keras.backend.floatx() == "float32"
    assert config.dtype_policy().name == "float32"
    assert not config.is_unsafe_deserialization_enabled()
    config.enable_traceback_filtering()
    assert not config.is_traceback_filtering_enabled()
    config.disable_traceback_filtering()
    layers.Dense(1, name=None)
    keras.backend.clear_session()
    assert layers.Dense(1).name == "dense"
    for module in (keras.backend, config):
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            _ = module.nothing


def test_trees():
    nested = {"b": [1, (2, 3)], "a": 4}
    assert tree.flatten_with_path(nested) == [(("a",), 4), (("b", 0), 1), (("b", 1, 0), 2), (("b", 1, 1), 3)]
    assert tree.pack_sequence_as(nested, [1, 2, 3, 4]) == {"b": [2, (3, 4)], "a": 1}
    assert tree.map_structure_up_to({"a": 0, "b": 0}, lambda x, y: (x, y), nested, nested)["b"] == ([1, (2, 3)],) * 2
    assert tree.lists_to_tuples({"a": [1, [2]]}) == {"a": (1, (2,))}
    assert tree.map_shape_structure(len, {"a": [None, 3], "b": ((1,), (2, 2, 2))}) == {"a": 2, "b": (1, 3)}
    assert tree.traverse(lambda x: "two" if x == (2, 3) else None, nested) == {"b": [1, "two"], "a": 4}
    doubled = tree.traverse(lambda x: x * 2 if isinstance(x, int) else None, nested, top_down=False)
    assert doubled == {"b": [2, (4, 6)], "a": 8}
    tree.assert_same_structure(nested, {"a": 0, "b": [0, (0, 0)]})
    for other in ({"a": 0}, {"a": 0, "b": [0, [0, 0]]}, {"a": 0, "b": [0]}, 5):
        with pytest.raises(ValueError, match="don't have the same structure"):
            tree.assert_same_structure(nested, other)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.5])
def test_gamma(alpha):
    found = random.gamma((40000,), alpha, seed=3).numpy()
    np.testing.assert_allclose([found.mean(), found.var()], [alpha, alpha], rtol=0.06)
    third = ((found - found.mean()) ** 3).mean() / found.std() ** 3
    np.testing.assert_allclose(third, 2 / np.sqrt(alpha), rtol=0.15)
    assert found.min() >= 0
    assert random.gamma((3,), alpha, dtype="float64").dtype == "float64"


def test_beta_and_binomial():
    found = random.beta((40000,), 2.0, [3.0], seed=0).numpy()
    np.testing.assert_allclose([found.mean(), found.var()], [0.4, 0.04], rtol=0.05)
    counts, shares = np.array([0.0, 5, 20]), np.array([0.5, 0.1, 0.7])
    found = random.binomial((30000, 3), counts, shares, seed=0).numpy()
    np.testing.assert_allclose(found.mean(0), counts * shares, rtol=0.05, atol=1e-6)
    np.testing.assert_allclose(found.var(0), counts * shares * (1 - shares), rtol=0.05, atol=1e-6)
    np.testing.assert_array_equal(
        random.beta((5,), 2.0, 3.0, seed=1).numpy(), random.beta((5,), 2.0, 3.0, seed=1).numpy()
    )
