"""The `gpunet` command on model files: what it prints, writes and returns."""

import io
import sys

import numpy as np
import pytest

import gpunet as keras
from gpunet import cli, layers
from gpunet.cli import main
from gpunet.datasets import digits

(X, Y), (X_TEST, Y_TEST) = digits.load_data()


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A folder with a compiled model and data of every kind, in which commands run."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10, activation="softmax")])
    model.save("plain.keras")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save("model.keras")
    np.savez("digits.npz", x_train=X[:200], y_train=Y[:200], x_test=X_TEST[:50], y_test=Y_TEST[:50])
    np.save("x.npy", X[:100])
    np.save("y.npy", Y[:100])
    rows = [",".join(map(str, [*x.reshape(-1), f"digit {y}"])) for x, y in zip(X[:60], Y[:60])]
    (tmp_path / "digits.csv").write_text("\n".join([",".join([*(f"p{i}" for i in range(64)), "label"]), *rows]))
    return tmp_path


def run(command, status=0):
    assert main(command.split()) == status


@pytest.mark.parametrize("data", ["digits.npz", "x.npy y.npy", "digits.csv", "digits.csv --target label"])
def test_train_on_every_kind_of_file(there, capsys, data):
    run(f"train model.keras --data {data} --scale 16 --epochs 2 --seed 1 --output out.keras --csv log.csv --verbose 2")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2", "saved out.keras"]
    assert len((there / "log.csv").read_text().split()) == 3
    assert int(keras.models.load_model("out.keras").optimizer.iterations) > 2


def test_train_with_everything(there, capsys):
    run(
        "train plain.keras --data digits.npz --scale 16 --epochs 3 --loss sparse_categorical_crossentropy "
        "--optimizer adam --metrics accuracy --learning-rate 0.01 --validation-split 0.2 --patience 5 "
        "--tensorboard logs --backup backup --verbose 0"
    )
    assert capsys.readouterr().out == "saved plain-trained.keras\n"
    assert (there / "logs" / "validation").is_dir()
    assert not (there / "backup").exists()
    run("evaluate plain-trained.keras --data digits.npz --part test --scale 16 --verbose 0")
    found = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert set(found) == {"loss", "accuracy"}
    assert float(found["accuracy"]) > 0.5


def test_predict(there, capsys):
    model = keras.models.load_model("model.keras")
    expected = model.predict(X[:100, ..., None] / 16, verbose=0)
    run("predict model.keras --data x.npy --scale 16")
    printed = np.loadtxt(io.StringIO(capsys.readouterr().out), delimiter=",")
    np.testing.assert_allclose(printed, expected, atol=1e-5)
    run("predict model.keras --data x.npy --scale 16 --classes --output classes.csv --verbose 0")
    np.testing.assert_array_equal(np.loadtxt("classes.csv"), expected.argmax(-1))
    run("predict model.keras --data x.npy --scale 16 --output out.npy --verbose 0")
    np.testing.assert_allclose(np.load("out.npy"), expected, rtol=1e-5)
    np.savetxt("inputs.csv", X[:3].reshape(3, -1), delimiter=",")  # as many columns as inputs: no target
    run("predict model.keras --data inputs.csv --scale 16 --output three.npy --verbose 0")
    np.testing.assert_allclose(np.load("three.npy"), expected[:3], rtol=1e-5)


def test_images_in_folders(there, capsys):
    pytest.importorskip("PIL")
    for x, y in zip(X[:30], Y[:30]):
        folder = there / "images" / f"digit{y}"
        folder.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(folder / f"{len(list(folder.iterdir()))}.png", x[..., None] * 15, scale=False)
    run("evaluate model.keras --data images --scale 240 --verbose 0")
    assert "accuracy: " in capsys.readouterr().out


def test_summary_and_bench(there, capsys):
    run("summary model.keras --nested")
    assert "flatten" in capsys.readouterr().out
    run("bench model.keras --batch-size 4 --steps 3 --device cpu")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["inference", "training"]
    assert all(line.endswith(" samples/s") for line in lines[1:])
    run("bench plain.keras --batch-size 4 --steps 3")
    assert "training" not in capsys.readouterr().out


def test_an_interrupted_training_is_saved(there, capsys, monkeypatch):
    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(keras.callbacks.CSVLogger, "on_epoch_end", interrupt)
    run("train model.keras --data digits.npz --epochs 5 --csv log.csv --output out.keras --verbose 0", status=130)
    assert "interrupted: saved out.keras" in capsys.readouterr().err
    assert int(keras.models.load_model("out.keras").optimizer.iterations) == 14


ERRORS = {
    "train model.keras --data none.npz": "there is no such file: none.npz",
    "train none.keras --data digits.npz": "none.keras",
    "train plain.keras --data digits.npz": "plain.keras is not compiled: choose a loss with --loss",
    "train model.keras --data digits.npz --optimizer sgd": "need --loss",
    "train model.keras --data x.npy": "there are no targets in x.npy",
    "train model.keras --data digits.npz --output out.h5": "--output must end in .keras. Received: out.h5",
    "evaluate plain.keras --data digits.npz": "is not compiled",
    "evaluate model.keras --data digits.csv --target nothing": "has no column 'nothing'",
    "evaluate model.keras --data wrong.npy y.npy": "takes samples of shape (8, 8, 1). Received: samples of shape (5,)",
    "evaluate model.keras --data words.csv": "words.csv has a column that is not of numbers",
    "evaluate model.keras --data uneven.csv": "row 2 has 2 columns, the first one 3",
    "evaluate model.keras --data other.npz": "needs x and y, or x_train and y_train. Received: a",
    "evaluate model.keras --data broken.npz": "broken.npz is not a whole .npz file",
    "evaluate model.keras --data model.keras": "expected .npz, .npy or .csv files, or a folder",
    "predict model.keras --data x.npy --output out.txt": "--output must end in .npy or .csv",
    "predict broken.keras --data x.npy": "broken.keras is not a whole .keras file",
}


@pytest.mark.parametrize("command", ERRORS)
def test_errors_are_one_line(there, capsys, command):
    np.save("wrong.npy", np.ones((100, 5)))
    np.savez("other.npz", a=np.ones(3))
    (there / "words.csv").write_text("1,red,2\n2,blue,3\n")
    (there / "uneven.csv").write_text("1,2,3\n1,2\n")
    for name in ("broken.npz", "broken.keras"):
        (there / name).write_bytes(b"PK\x03\x04 not much")
    run(command, status=1)
    found = capsys.readouterr()
    assert ERRORS[command] in found.err
    assert found.err.startswith(f"gpunet {command.split()[0]}: ")
    assert "Traceback" not in found.err


@pytest.mark.parametrize("command", "train evaluate predict summary bench demo devices warmup".split())
def test_every_help_has_an_example_that_parses(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    (example,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("example: gpunet ")]
    assert cli._parser().parse_args(example.split()[2:]).command == command


def test_wrong_arguments(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train"])
    assert end.value.code == 2
    assert "the following arguments are required: model, --data" in capsys.readouterr().err
    assert sys.modules["gpunet.cli"] is cli
