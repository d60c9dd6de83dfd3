"""Datasets: the digits that ship, files in every accepted layout, damaged files, downloads from a local server."""

import dataclasses
import gzip
import hashlib
import http.server
import threading
from pathlib import Path

import numpy as np
import pytest

import gpunet.datasets.digits
from gpunet import config
from gpunet.datasets import cifar10, digits, fashion_mnist, folders, idx_dataset, mnist
from gpunet.datasets.download import fetch
from gpunet.datasets.idx import read_idx

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
STEMS = idx_dataset.TRAIN + idx_dataset.TEST
MNIST_START = mnist._DATASET.first_labels

real_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the real files are not beside the repository")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, no data folder, and no proxy between a test and its server."""
    monkeypatch.delenv("GPUNET_DATA", raising=False)
    monkeypatch.setenv("GPUNET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "home" / "datasets"


def idx_bytes(array):
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + sizes + array.tobytes()


def make_arrays(start=MNIST_START):
    """A dataset of 20 + 10 images of 5 × 4 pixels whose test labels begin as `start`."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 5, 4), np.uint8)
    labels = np.resize(np.array([*range(10), *start], np.uint8), 30)
    labels[20:28] = start
    return dict(zip(STEMS, (images[:20], labels[:20], images[20:], labels[20:])))


def write_idx(folder, arrays=None, suffix=".gz", dot=False):
    folder.mkdir(parents=True, exist_ok=True)
    arrays = make_arrays() if arrays is None else arrays
    for stem, array in arrays.items():
        data = idx_bytes(array)
        name = (stem.replace("-idx", ".idx") if dot else stem) + suffix
        (folder / name).write_bytes(gzip.compress(data, mtime=0) if suffix else data)
    return arrays


def write_npz(path, arrays=None):
    arrays = make_arrays() if arrays is None else arrays
    named = dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays.values()))
    np.savez_compressed(path, **named)
    return arrays


def assert_loaded(split, arrays):
    flat = [array for part in split for array in part]
    for found, stem in zip(flat, STEMS, strict=True):
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, arrays[stem])


# Digits


def test_digits_are_the_table_of_the_uci_file():
    """Written as text again, the shipped arrays are `optdigits.tes` byte for byte."""
    with np.load(Path(gpunet.datasets.digits.__file__).parent / "data" / "digits.npz") as file:
        table = np.column_stack([file["images"].reshape(-1, 64), file["labels"]])
    text = "".join(",".join(map(str, row)) + "\n" for row in table.tolist())
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
    )


def test_digits_default_split():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1437, 8, 8)
    assert x_test.shape == (360, 8, 8)
    assert {a.dtype.name for a in (x_train, y_train, x_test, y_test)} == {"uint8"}
    assert x_train.min() == 0
    assert x_train.max() == 16
    total = np.bincount(y_train) + np.bincount(y_test)
    np.testing.assert_array_equal(total, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    np.testing.assert_allclose(np.bincount(y_test), total * 360 / 1797, atol=1)


def test_digits_split_never_changes():
    """Golden values: results that people publish depend on which images are in the test part."""
    (_, _), (x_test, y_test) = digits.load_data()
    assert y_test[:12].tolist() == [0, 4, 6, 6, 3, 8, 2, 4, 8, 4, 2, 6]
    assert hashlib.sha256(x_test.tobytes()).hexdigest()[:16] == "a24ce693c990f921"


@pytest.mark.parametrize("test_split", [0.01, 0.25, 0.999])
def test_digits_split_parts_are_disjoint_and_complete(test_split):
    (x_train, _), (x_test, _) = digits.load_data(test_split)
    assert len(x_test) == np.ceil(1797 * test_split)
    with np.load(Path(gpunet.datasets.digits.__file__).parent / "data" / "digits.npz") as file:
        every = sorted(image.tobytes() for image in file["images"])
    assert sorted(image.tobytes() for image in np.concatenate([x_train, x_test])) == every


def test_digits_seed_chooses_the_split():
    first, again, other = (digits.load_data(seed=seed)[1][0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("test_split", [0, 1, -0.1, 1.5, 0.9999, float("nan")])
def test_digits_refuses_a_split_that_leaves_nothing(test_split):
    with pytest.raises(ValueError, match="test_split"):
        digits.load_data(test_split)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_digits_refuses_a_seed_out_of_range(seed):
    with pytest.raises(ValueError, match="seed must be"):
        digits.load_data(seed=seed)


# IDX datasets: layouts and places


@pytest.mark.parametrize("dot", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dataset", [mnist, fashion_mnist])
def test_idx_files_in_a_given_folder(tmp_path, dataset, suffix, dot):
    arrays = write_idx(tmp_path / "given", suffix=suffix, dot=dot)
    split = dataset.load_data(tmp_path / "given")
    assert_loaded(split, arrays)
    split[0][0][0] = 1  # the arrays are the caller's own


def test_idx_files_that_are_compressed_without_saying_so(tmp_path):
    arrays = write_idx(tmp_path)
    for file in tmp_path.glob("*.gz"):
        file.rename(file.with_suffix(""))
    assert_loaded(mnist.load_data(str(tmp_path)), arrays)


def test_given_folder_may_hold_the_datasets_own_folder(tmp_path):
    arrays = write_idx(tmp_path / "fashion-mnist")
    assert_loaded(fashion_mnist.load_data(tmp_path), arrays)


@pytest.mark.parametrize("name", ["mnist.npz", "other.npz"])
def test_npz_file_as_path(tmp_path, name):
    arrays = write_npz(tmp_path / name)
    assert_loaded(mnist.load_data(tmp_path / name), arrays)


@pytest.mark.parametrize("path", ["~", "~/mnist.npz"])
def test_paths_below_the_home_folder(tmp_path, monkeypatch, path):
    arrays = write_npz(tmp_path / "mnist.npz")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_loaded(mnist.load_data(path), arrays)


def test_npz_file_in_a_given_folder(tmp_path):
    arrays = write_npz(tmp_path / "fashion_mnist.npz")
    assert_loaded(fashion_mnist.load_data(tmp_path), arrays)


@pytest.mark.parametrize("below", ["", "mnist"])
def test_data_folder_of_the_environment(tmp_path, monkeypatch, below):
    arrays = write_idx(tmp_path / "data" / below)
    monkeypatch.setenv("GPUNET_DATA", str(tmp_path / "data"))
    assert_loaded(mnist.load_data(), arrays)


@pytest.mark.parametrize("below", ["fashion-mnist", "fashion_mnist"])
def test_data_folder_with_both_datasets(tmp_path, monkeypatch, below):
    write_idx(tmp_path / "mnist")
    arrays = write_idx(tmp_path / below, make_arrays(fashion_mnist._DATASET.first_labels))
    monkeypatch.setenv("GPUNET_DATA", str(tmp_path))
    assert_loaded(fashion_mnist.load_data(), arrays)


def test_mnist_files_are_not_taken_for_fashion_mnist(tmp_path, monkeypatch):
    write_idx(tmp_path / "data")
    monkeypatch.setenv("GPUNET_DATA", str(tmp_path / "data"))
    dataset = dataclasses.replace(fashion_mnist._DATASET, mirrors=())
    with pytest.raises(FileNotFoundError, match="data: files of another dataset"):
        dataset.load()


def test_cache_is_used_without_a_download(cache):
    arrays = write_idx(cache / "mnist")
    assert_loaded(mnist.load_data(), arrays)


def test_data_folder_comes_before_the_cache(cache, tmp_path, monkeypatch):
    write_idx(cache / "mnist")
    arrays = make_arrays()
    arrays[STEMS[0]][:] = 7
    write_idx(tmp_path / "data" / "mnist", arrays)
    monkeypatch.setenv("GPUNET_DATA", str(tmp_path / "data"))
    assert_loaded(mnist.load_data(), arrays)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"GPUNET_HOME": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a/datasets"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/gpunet/datasets"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/c"}, "/c/.cache/gpunet/datasets"),
        ({"HOME": "/c"}, "/c/.cache/gpunet/datasets"),
        ({"HOME": "", "TMPDIR": "/t"}, "/t/.cache/gpunet/datasets"),
        ({}, "/tmp/.cache/gpunet/datasets"),
    ],
)
def test_cache_folder(monkeypatch, environment, expected):
    for name in ("GPUNET_HOME", "XDG_CACHE_HOME", "HOME", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert folders.cache_folder() == Path(expected)


def test_given_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder") as caught:
        mnist.load_data(tmp_path / "nowhere")
    assert "train-images-idx3-ubyte" in str(caught.value)
    assert "GPUNET_DATA" in str(caught.value)


def test_given_folder_without_one_file_names_it(tmp_path):
    write_idx(tmp_path)
    (tmp_path / f"{STEMS[2]}.gz").unlink()
    with pytest.raises(FileNotFoundError, match=f": without {STEMS[2]}\n"):
        mnist.load_data(tmp_path)


# IDX datasets: damaged files


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("keep", [3, 10, 60])
def test_truncated_file(tmp_path, suffix, keep):
    write_idx(tmp_path, suffix=suffix)
    file = tmp_path / (STEMS[0] + suffix)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match=STEMS[0]):
        mnist.load_data(tmp_path)


def test_longer_file_than_its_header_says(tmp_path):
    (tmp_path / "file").write_bytes(idx_bytes(np.zeros((2, 3), np.uint8)) + b"\0")
    with pytest.raises(ValueError, match=r"expected 18 bytes for shape \(2, 3\). Received: 19 bytes"):
        read_idx(tmp_path / "file")


def test_damaged_gzip_data(tmp_path):
    write_idx(tmp_path)
    file = tmp_path / f"{STEMS[0]}.gz"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(ValueError, match="truncated or damaged"):
        mnist.load_data(tmp_path)


def test_page_of_a_proxy_instead_of_data(tmp_path):
    write_idx(tmp_path, suffix="")
    (tmp_path / STEMS[1]).write_text("<!DOCTYPE html>")
    with pytest.raises(ValueError, match="expected an IDX file of unsigned bytes"):
        mnist.load_data(tmp_path)


@pytest.mark.parametrize(
    ("stem", "array"),
    [
        (STEMS[1], np.zeros(19, np.uint8)),
        (STEMS[1], np.full(20, 10, np.uint8)),
        (STEMS[0], np.zeros(20, np.uint8)),
        (STEMS[3], np.zeros((10, 5, 4), np.uint8)),
    ],
    ids=["fewer labels", "label 10", "labels as images", "images as labels"],
)
def test_files_that_do_not_fit_each_other(tmp_path, stem, array):
    write_idx(tmp_path, make_arrays() | {stem: array})
    with pytest.raises(ValueError, match="labels from 0 to 9"):
        mnist.load_data(tmp_path)


def test_npz_file_without_the_arrays(tmp_path):
    np.savez(tmp_path / "mnist.npz", images=np.zeros(3))
    with pytest.raises(ValueError, match="x_train"):
        mnist.load_data(tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 200])
def test_truncated_npz_file(tmp_path, keep):
    write_npz(tmp_path / "mnist.npz")
    (tmp_path / "mnist.npz").write_bytes((tmp_path / "mnist.npz").read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"mnist\.npz"):
        mnist.load_data(tmp_path)


def test_npy_file_instead_of_an_npz_file(tmp_path):
    np.save(tmp_path / "mnist.npy", np.zeros(3))
    with pytest.raises(ValueError, match="x_train"):
        mnist.load_data(tmp_path / "mnist.npy")


def test_npz_file_of_objects_is_not_unpickled(tmp_path):
    write_npz(tmp_path / "mnist.npz", make_arrays() | {STEMS[1]: np.array([{}], object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        mnist.load_data(tmp_path)


@pytest.mark.parametrize("labels", [np.zeros(3, np.uint8), np.full(20, -1), np.zeros(20), np.full(20, "a")])
def test_npz_file_with_labels_that_do_not_fit(tmp_path, labels):
    write_npz(tmp_path / "mnist.npz", make_arrays() | {STEMS[1]: labels})
    with pytest.raises(ValueError, match="labels from 0 to 9"):
        mnist.load_data(tmp_path)


# Downloads


@pytest.fixture
def server(tmp_path):
    """A server on this machine, its folder and the paths it was asked for."""
    folder, asked = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def log_message(self, *args):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/", folder, asked
        httpd.shutdown()
        thread.join()


def served_dataset(server, mirrors=("",)):
    """MNIST's dataset with the files of the local server; `mirrors` are folders there."""
    address, folder, _ = server
    arrays = write_idx(folder)
    checksums = {stem: hashlib.sha256((folder / f"{stem}.gz").read_bytes()).hexdigest() for stem in STEMS}
    mirrors = tuple(address + mirror for mirror in mirrors)
    return dataclasses.replace(mnist._DATASET, mirrors=mirrors, sha256=checksums), arrays


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_download_fills_the_cache(server, cache):
    dataset, arrays = served_dataset(server)
    assert_loaded(dataset.load(), arrays)
    assert files_below(cache) == sorted(["mnist", *(f"mnist/{stem}.gz" for stem in STEMS)])
    asked = len(server[2])
    assert_loaded(dataset.load(), arrays)
    assert len(server[2]) == asked == 4


def test_download_fetches_only_what_is_missing(server, cache):
    dataset, arrays = served_dataset(server)
    write_idx(cache / "mnist", {stem: arrays[stem] for stem in STEMS[:3]})
    assert_loaded(dataset.load(), arrays)
    assert server[2] == [f"/{STEMS[3]}.gz"]


def test_download_goes_on_to_the_next_mirror(server):
    dataset, arrays = served_dataset(server, ("damaged/", "absent/", ""))
    write_idx(server[1] / "damaged", make_arrays((0,) * 8))
    assert_loaded(dataset.load(), arrays)


def test_download_with_a_wrong_checksum_leaves_nothing(server, cache):
    dataset, _ = served_dataset(server)
    dataset = dataclasses.replace(dataset, sha256=dict.fromkeys(STEMS, "0" * 64))
    with pytest.raises(FileNotFoundError, match="expected a file with sha256 0000"):
        dataset.load()
    assert files_below(cache) == ["mnist"]


def test_offline_error_says_what_was_tried_and_what_to_do(server, cache, tmp_path, monkeypatch):
    address, _, _ = server
    monkeypatch.setenv("GPUNET_DATA", str(tmp_path / "data"))
    dataset = dataclasses.replace(mnist._DATASET, mirrors=(address, "http://127.0.0.1:9/"))
    with pytest.raises(FileNotFoundError) as caught:
        dataset.load()
    message = str(caught.value)
    for part in (tmp_path / "data" / "mnist", cache / "mnist", "GPUNET_DATA", "as path"):
        assert str(part) in message
    assert f"{address}{STEMS[0]}.gz: HTTP Error 404" in message
    assert f"http://127.0.0.1:9/{STEMS[0]}.gz: <urlopen error" in message


def test_cache_that_cannot_be_written_is_part_of_the_error(server, tmp_path, monkeypatch):
    dataset, _ = served_dataset(server)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GPUNET_HOME", str(tmp_path / "file"))
    with pytest.raises(FileNotFoundError, match="Not a directory"):
        dataset.load()


def test_fetch_replaces_nothing_when_it_fails(server, tmp_path):
    (tmp_path / "target").write_text("before")
    (server[1] / "file").write_text("after")
    with pytest.raises(ConnectionError, match="sha256"):
        fetch([server[0] + "file"], tmp_path / "target", "0" * 64)
    assert (tmp_path / "target").read_text() == "before"


# CIFAR-10


def write_batch(path, labels, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), 3, 32, 32), np.uint8)
    records = np.column_stack([np.array(labels, np.uint8), images.reshape(len(labels), -1)])
    path.write_bytes(records.tobytes())
    return images


def test_cifar10_reads_the_batches_that_are_there(tmp_path):
    first = write_batch(tmp_path / "data_batch_1.bin", [3, 1], seed=1)
    fifth = write_batch(tmp_path / "data_batch_5.bin", [9], seed=2)
    test = write_batch(tmp_path / "test_batch_part.bin", [0, 4], seed=3)
    (x_train, y_train), (x_test, y_test) = cifar10.load_data(tmp_path)
    np.testing.assert_array_equal(x_train, np.concatenate([first, fifth]).transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(x_test, test.transpose(0, 2, 3, 1))
    assert y_train.tolist() == [[3], [1], [9]]
    assert y_test.tolist() == [[0], [4]]
    assert {a.dtype.name for a in (x_train, y_train, x_test, y_test)} == {"uint8"}


def test_cifar10_follows_the_image_data_format(tmp_path):
    images = write_batch(tmp_path / "data_batch_1.bin", [3])
    write_batch(tmp_path / "test_batch.bin", [3])
    config.set_image_data_format("channels_first")
    try:
        (x_train, _), _ = cifar10.load_data(tmp_path)
    finally:
        config.set_image_data_format("channels_last")
    np.testing.assert_array_equal(x_train, images)


@pytest.mark.parametrize("below", ["", "cifar-10-batches-bin", "cifar10"])
def test_cifar10_in_the_data_folder(tmp_path, monkeypatch, below):
    write_batch(tmp_path / below / "data_batch_1.bin", [3])
    write_batch(tmp_path / below / "test_batch.bin", [3])
    monkeypatch.setenv("GPUNET_DATA", str(tmp_path))
    assert cifar10.load_data()[0][1].tolist() == [[3]]


def test_cifar10_in_the_cache(cache):
    write_batch(cache / "cifar10" / "data_batch_1.bin", [3])
    write_batch(cache / "cifar10" / "test_batch.bin", [3])
    assert cifar10.load_data()[0][1].tolist() == [[3]]


def test_cifar10_without_batches_says_that_it_is_not_downloaded(tmp_path, cache):
    write_batch(tmp_path / "data_batch_1.bin", [3])
    with pytest.raises(FileNotFoundError, match=r"without test_batch\*\.bin"):
        cifar10.load_data(tmp_path)
    with pytest.raises(FileNotFoundError, match="is not downloaded") as caught:
        cifar10.load_data()
    assert f"{cache / 'cifar10'}: no such folder" in str(caught.value)


@pytest.mark.parametrize("size", [0, 3072, 3074])
def test_cifar10_truncated_batch(tmp_path, size):
    write_batch(tmp_path / "test_batch.bin", [3])
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(size))
    with pytest.raises(ValueError, match=f"multiple of 3073 bytes. Received: {size}"):
        cifar10.load_data(tmp_path)


def test_cifar10_damaged_label(tmp_path):
    write_batch(tmp_path / "test_batch.bin", [3])
    write_batch(tmp_path / "data_batch_1.bin", [3, 10])
    with pytest.raises(ValueError, match=r"labels from 0 to 9\. Received: 10"):
        cifar10.load_data(tmp_path)


def test_cifar10_class_names(tmp_path):
    (tmp_path / "batches.meta.txt").write_text("airplane\nautomobile\n\n")
    assert cifar10.class_names(tmp_path) == ["airplane", "automobile"]
    with pytest.raises(FileNotFoundError, match=r"without batches\.meta\.txt"):
        cifar10.class_names(tmp_path / "..")


# The real files


@real_data
@pytest.mark.parametrize(
    ("dataset", "folder", "counts"),
    [
        (mnist, "mnist", [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        (fashion_mnist, "fashion-mnist", [6000] * 10),
    ],
)
def test_real_idx_files(monkeypatch, dataset, folder, counts):
    monkeypatch.setenv("GPUNET_DATA", str(SHARED / folder))
    (x_train, y_train), (x_test, y_test) = dataset.load_data()
    assert x_train.shape == (60000, 28, 28)
    assert x_test.shape == (10000, 28, 28)
    np.testing.assert_array_equal(np.bincount(y_train), counts)
    assert len(y_test) == 10000


@real_data
@pytest.mark.parametrize(("dataset", "folder"), [(mnist, "mnist"), (fashion_mnist, "fashion-mnist")])
def test_real_idx_files_have_the_checksums_of_the_download(dataset, folder):
    for stem, expected in dataset._DATASET.sha256.items():
        assert hashlib.sha256((SHARED / folder / f"{stem}.gz").read_bytes()).hexdigest() == expected


@real_data
def test_real_datasets_are_told_apart_by_their_labels():
    for dataset, folder in ((mnist, "mnist"), (fashion_mnist, "fashion-mnist")):
        labels = read_idx(SHARED / folder / f"{STEMS[3]}.gz")
        assert tuple(labels[:8]) == dataset._DATASET.first_labels


@real_data
def test_real_cifar10_batches(monkeypatch):
    monkeypatch.setenv("GPUNET_DATA", str(SHARED))
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    assert x_train.shape[1:] == x_test.shape[1:] == (32, 32, 3)
    assert len(x_train) == len(y_train) == 10000 * len(list((SHARED / "cifar-10-batches-bin").glob("data_batch*.bin")))
    names = cifar10.class_names()
    assert [names[label] for label in y_train[:3, 0]] == ["frog", "truck", "truck"]
    assert [names[label] for label in y_test[:3, 0]] == ["cat", "ship", "ship"]
    assert x_train[0, 0, 0].tolist() == [59, 62, 63]
