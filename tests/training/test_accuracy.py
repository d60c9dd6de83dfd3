"""The benchmark of accuracies says the truth: exit status, table, and what is wrong with its arguments."""

import gzip

import numpy as np
import pytest

from benchmarks import __main__ as benchmarks_main
from benchmarks import accuracy


def write_idx(path, array):
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(gzip.compress(b"\0\0\x08" + bytes([array.ndim]) + sizes + array.tobytes()))


@pytest.fixture
def easy_mnist(tmp_path):
    """Files like MNIST's, whose images have one bright row that is the label."""
    labels = np.resize(np.arange(10, dtype=np.uint8), 1000)
    images = np.zeros((1000, 28, 28), np.uint8)
    images[np.arange(1000), labels * 2] = 255
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    return str(tmp_path)


@pytest.mark.parametrize(("aim", "status", "verdict"), [(0.99, 0, "reached"), (1.01, 1, "MISSED")])
def test_status_tells_whether_every_aim_is_reached(easy_mnist, monkeypatch, capsys, aim, status, verdict):
    monkeypatch.setattr(accuracy, "CASES", (accuracy.Case("easy", accuracy.mlp, 10, aim),))
    assert accuracy.main("--seeds", "2", "--data", easy_mnist) == status
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith("| easy | 10 | 1.0000, 1.0000 | 1.0000 |")
    assert verdict in row


def test_missing_data_is_no_success(tmp_path, capsys):
    assert accuracy.main("--data", str(tmp_path / "nowhere")) == 1
    assert "no such folder" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo_seeds", "--seeds", "2"], "demo_seeds takes no options"),
        (["steps", "accuracy", "--seeds=2"], "invalid choice: 'accuracy'"),
        (["accuracy", "--seeds", "0"], "--seeds must be at least 1. Received: 0"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_measured(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit) as stopped:
        benchmarks_main.main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
