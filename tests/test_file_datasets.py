"""Datasets of one file: texts as words, housing prices, CIFAR-100. Files of the same kinds stand for the real ones."""

import hashlib
import importlib
import io
import json
import os
import pickle
import tarfile
import warnings

import numpy as np
import pytest

from gpunet import config
from gpunet.datasets import boston_housing, california_housing, cifar100, files, imdb, mnist, reuters


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """A folder of data, an empty cache, and no net."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("GPUNET_DATA", str(folder))
    monkeypatch.setenv("GPUNET_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(files, "fetch", _no_net)
    return folder


def _no_net(urls, target, digest):
    raise ConnectionError(f"{urls[0]}: no net here")


def _texts(rng, count):
    found = np.empty(count, object)
    found[:] = [rng.integers(1, 30, rng.integers(1, 12)).tolist() for _ in range(count)]
    return found


def _write(folder):
    rng = np.random.default_rng(0)
    reviews = {f"x_{part}": _texts(rng, 20) for part in ("train", "test")}
    reviews |= {f"y_{part}": rng.integers(0, 2, 20) for part in ("train", "test")}
    np.savez(folder / "imdb.npz", **reviews)
    np.savez(folder / "reuters.npz", x=_texts(rng, 25), y=rng.integers(0, 46, 25))
    for name, count, width in (("boston_housing", 50, 13), ("california_housing", 700, 8)):
        np.savez(folder / f"{name}.npz", x=rng.normal(size=(count, width)), y=rng.normal(size=count))


CALLS = {
    "imdb": (imdb, {}),
    "imdb limits": (imdb, {"num_words": 20, "skip_top": 5, "maxlen": 9, "seed": 3}),
    "imdb left out": (imdb, {"num_words": 15, "oov_char": None, "start_char": None}),
    "imdb as it is": (imdb, {"start_char": None, "index_from": 0}),
    "reuters": (reuters, {}),
    "reuters limits": (reuters, {"num_words": 20, "maxlen": 8, "test_split": 0.4, "seed": 5}),
    "boston_housing": (boston_housing, {"test_split": 0.3}),
    "california_housing": (california_housing, {}),
    "california_housing small": (california_housing, {"version": "small", "seed": 2}),
}


@pytest.mark.parametrize("name", CALLS)
def test_loads_what_keras_loads(name, data, monkeypatch):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip(os.environ["KERAS_BACKEND"], reason="Keras's backend is not installed")
    _write(data)
    module, options = CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("keras", reason="Keras is not installed")
        theirs = importlib.import_module(f"keras.src.datasets.{name.split()[0]}")
        monkeypatch.setattr(theirs, "get_file", lambda fname, **_: str(data / fname))
        expected = theirs.load_data(**options)
    found = module.load_data(**options)
    for part, other in zip(found, expected, strict=True):
        for x, y in zip(part, other, strict=True):
            assert x.dtype == y.dtype
            assert x.tolist() == np.asarray(y).tolist()


def test_words_and_topics(data):
    for module in (imdb, reuters):
        (data / f"{module.__name__.rpartition('.')[2]}_word_index.json").write_text(json.dumps({"the": 1, "ä": 2}))
        assert module.get_word_index() == {"the": 1, "ä": 2}
    assert len(reuters.get_label_names()) == 46
    assert reuters.get_label_names()[3] == "earn"


def _archive(path, label=7):
    def batch(count):
        images = np.arange(count * 3072, dtype=np.int64).astype(np.uint8).reshape(count, 3072)
        return pickle.dumps(
            {b"data": images, b"fine_labels": [label] * count, b"coarse_labels": [2] * count}, protocol=2
        )

    with tarfile.open(path, "w:gz") as archive:
        for part, count in (("train", 4), ("test", 2)):
            content = batch(count)
            member = tarfile.TarInfo(f"cifar-100-python/{part}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_cifar100(data):
    _archive(data / "cifar-100-python.tar.gz")
    (x_train, y_train), (x_test, y_test) = cifar100.load_data()
    assert (x_train.shape, x_test.shape, y_train.shape) == ((4, 32, 32, 3), (2, 32, 32, 3), (4, 1))
    assert x_train.dtype == "uint8"
    assert x_train[0, 0, 1, 2] == (2 * 1024 + 1) % 256
    assert y_test.tolist() == [[7], [7]]
    assert cifar100.load_data("coarse", data)[1][1].tolist() == [[2], [2]]
    config.set_image_data_format("channels_first")
    try:
        assert cifar100.load_data(path=data / "cifar-100-python.tar.gz")[0][0].shape == (4, 3, 32, 32)
    finally:
        config.set_image_data_format("channels_last")


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


def test_nothing_in_a_file_is_run(data):
    array = np.empty(1, object)
    array[0] = Evil()
    np.savez(data / "reuters.npz", x=array, y=np.zeros(1))
    with pytest.raises(ValueError, match="more than arrays in it"):
        reuters.load_data()
    with tarfile.open(data / "cifar-100-python.tar.gz", "w:gz") as archive:
        content = pickle.dumps(Evil())
        member = tarfile.TarInfo("cifar-100-python/train")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    with pytest.raises(ValueError, match="more than arrays in it"):
        cifar100.load_data()


def test_damaged_files(data):
    (data / "imdb.npz").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match=r"imdb.npz is truncated or damaged"):
        imdb.load_data()
    (data / "cifar-100-python.tar.gz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is truncated or damaged"):
        cifar100.load_data()


@pytest.mark.parametrize("module", [imdb, reuters, boston_housing, california_housing, cifar100])
def test_a_missing_file_says_where_it_was_looked_for(module, tmp_path):
    with pytest.raises(FileNotFoundError, match="no net here"):
        module.load_data()
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        module.load_data(path=tmp_path / "elsewhere")


def test_a_download_is_kept_and_verified(tmp_path, monkeypatch):
    from gpunet.datasets.download import fetch

    monkeypatch.setattr(files, "fetch", fetch)
    source = tmp_path / "served.json"
    source.write_text('{"a": 1}')
    monkeypatch.setattr(files, "MIRROR", source.parent.as_uri() + "/")
    digest = hashlib.md5(source.read_bytes()).hexdigest()
    found = files.locate("imdb", "served.json", digest)
    assert found == tmp_path / "home" / "datasets" / "served.json"
    assert files.locate("imdb", "served.json", "not asked again") == found
    found.unlink()
    with pytest.raises(FileNotFoundError, match="expected a file with md5"):
        files.locate("imdb", "served.json", "0" * 32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: boston_housing.load_data(test_split=1), "Received: test_split=1"),
        (lambda: california_housing.load_data(version="tiny"), "Received: version=tiny"),
        (lambda: cifar100.load_data("both"), "Received: label_mode=both"),
        (lambda: imdb.load_data(maxlen=1), "Increase maxlen"),
    ],
)
def test_errors_say_what_was_expected(call, message, data):
    _write(data)
    with pytest.raises(ValueError, match=message):
        call()


def test_mnist_by_keras_s_name():
    with pytest.raises(FileNotFoundError, match="train-images"):
        mnist.load_data(path="mnist.npz")
