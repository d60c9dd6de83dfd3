"""ModelCheckpoint and BackupAndRestore: what they save, when, and that training continues from it exactly."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import gpunet as keras
from gpunet import callbacks, layers

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 3)).astype("float32"), RNG.integers(0, 2, size=20)


def model(optimizer="adam"):
    keras.utils.set_random_seed(0)
    made = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile(optimizer, loss, metrics=["accuracy"])
    return made


class Script(callbacks.Callback):
    """Puts given values into the logs of each epoch."""

    def __init__(self, **values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: values[epoch] for name, values in self.values.items()})


class Stop(callbacks.Callback):
    """Ends training as a crash would, after a batch of an epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.where, self.epoch = (epoch, batch), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.where:
            raise InterruptedError


def saved(folder):
    return sorted(p.name for p in folder.iterdir())


def fit(net, *given, **arguments):
    return net.fit(X, Y, **{"batch_size": 4, "epochs": 3, "verbose": 0, "callbacks": [*given], **arguments})


def test_a_file_for_each_epoch_or_number_of_batches(tmp_path):
    fit(model(), Script(val_loss=[1, 2, 3]), callbacks.ModelCheckpoint(tmp_path / "e{epoch:02d}-{val_loss:.0f}.keras"))
    assert saved(tmp_path) == ["e01-1.keras", "e02-2.keras", "e03-3.keras"]
    folder = tmp_path / "made" / "by it"
    path = folder / "{epoch}-{batch}.weights.h5"
    fit(model(), callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=3))
    assert saved(folder) == [f"{n}.weights.h5" for n in ("1-3", "2-1", "2-4", "3-2", "3-5")]
    several = model()
    several.compile("sgd", "mse", steps_per_execution=2)
    path = tmp_path / "several" / "{batch}.keras"
    several.fit(X, X[:, :2], batch_size=4, verbose=0, callbacks=[callbacks.ModelCheckpoint(path, save_freq=3)])
    assert saved(path.parent) == ["4.keras"]


def test_the_best_model_only(tmp_path, capsys):
    path = tmp_path / "best.keras"
    script = Script(val_loss=[3.0, 2.0, 2.5])
    checkpoint = callbacks.ModelCheckpoint(path, save_best_only=True, verbose=1)
    net = model()
    weights = []
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(net.get_weights()))
    fit(net, script, checkpoint, note)
    for found, expected in zip(keras.models.load_model(path).get_weights(), weights[1]):
        np.testing.assert_array_equal(found, expected)
    assert [line for line in capsys.readouterr().out.splitlines() if line] == [
        f"Epoch 1: val_loss improved from None to 3.00000, saving model to {path}",
        f"Epoch 1: finished saving model to {path}",
        f"Epoch 2: val_loss improved from 3.00000 to 2.00000, saving model to {path}",
        f"Epoch 2: finished saving model to {path}",
        "Epoch 3: val_loss did not improve from 2.00000",
    ]
    none = tmp_path / "none.keras"
    options = {"save_best_only": True, "initial_value_threshold": 1.0}
    fit(model(), Script(val_loss=[3, 2, 1.5]), callbacks.ModelCheckpoint(none, **options))
    assert not none.exists()
    fit(model(), Script(score=[0.5, 2, 1.5]), callbacks.ModelCheckpoint(none, "score", mode="max", **options))
    assert none.exists()


def test_what_a_checkpoint_cannot_do_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"must end in `.keras`.*Received: filepath=model"):
        callbacks.ModelCheckpoint("model")
    with pytest.raises(ValueError, match=r"must end in `.weights.h5`.*Received: filepath=model.keras"):
        callbacks.ModelCheckpoint("model.keras", save_weights_only=True)
    with pytest.raises(ValueError, match="Unrecognized save_freq: often"):
        callbacks.ModelCheckpoint("model.keras", save_freq="often")
    with pytest.raises(KeyError, match="Failed to format this callback filepath"):
        fit(model(), callbacks.ModelCheckpoint(tmp_path / "{nothing}.keras"))
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(OSError, match="Please specify a non-directory filepath"):
        fit(model(), callbacks.ModelCheckpoint(tmp_path / "folder.keras"))
    with pytest.warns(UserWarning, match="Can save best model only with val_loss available"):
        fit(model(), callbacks.ModelCheckpoint(tmp_path / "a.keras", save_best_only=True), epochs=1)
    assert (tmp_path / "a.keras").exists()
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "b.keras", "list", save_best_only=True)
    with pytest.warns(UserWarning, match="`monitor` is a scalar value"):
        fit(model(), Script(list=[np.ones(2)]), checkpoint, epochs=1)
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "c.keras", "odd", save_best_only=True)
    with pytest.raises(ValueError, match="received monitor=odd, but gpunet isn't able to automatically determine"):
        fit(model(), Script(odd=[1, 2, 3]), checkpoint)


def states_of(net):
    return [*net.get_weights(), *(v.numpy() for v in net.optimizer.variables)]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("where", "save_freq"), [((1, 2), 2), ((1, 4), 5), ((2, 3), 3), ((1, 2), "epoch"), ((0, 0), 1)]
)
def test_training_goes_on_as_if_it_had_never_stopped(tmp_path, optimizer, where, save_freq):
    whole = model(optimizer)
    expected = fit(whole).history
    folder = tmp_path / "backup"
    with pytest.raises(InterruptedError):
        fit(model(optimizer), callbacks.BackupAndRestore(folder, save_freq), Stop(*where))
    assert folder.exists()
    again = model(optimizer)
    keras.utils.set_random_seed(99)  # it has its random numbers from the backup
    begun = callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: batches.append(batch))
    batches = []
    history = fit(again, callbacks.BackupAndRestore(folder, save_freq), begun)
    done = 5 * where[0] + where[1] + 1
    every = 5 if save_freq == "epoch" else save_freq
    assert len(batches) == 15 - done // every * every
    assert [e for e in (0, 1, 2) if e in history.epoch] == history.epoch
    for name, values in history.history.items():
        assert values == expected[name][-len(values) :], name
    for found, wanted in zip(states_of(again), states_of(whole)):
        np.testing.assert_array_equal(found, wanted)
    assert not folder.exists()


def test_what_a_backup_keeps(tmp_path):
    folder = tmp_path / "kept"
    fit(model(), callbacks.BackupAndRestore(folder, delete_checkpoint=False))
    assert saved(folder) == ["3-0.weights.h5", "training_metadata.json"]
    history = fit(model(), callbacks.BackupAndRestore(folder, delete_checkpoint=False))
    assert history.epoch == []
    history = fit(model(), callbacks.BackupAndRestore(folder, double_checkpoint=True), Stop(9, 9), epochs=5)
    assert history.epoch == [3, 4]


def test_the_backup_before_the_last_stands_in_for_a_damaged_one(tmp_path):
    folder = tmp_path / "double"
    with pytest.raises(InterruptedError):
        fit(model(), callbacks.BackupAndRestore(folder, double_checkpoint=True), Stop(2, 1))
    last = folder / json.loads((folder / "training_metadata.json").read_text())["weights"]
    last.write_bytes(last.read_bytes()[:1000])
    assert fit(model(), callbacks.BackupAndRestore(folder, double_checkpoint=True)).epoch == [1, 2]
    with pytest.raises(InterruptedError):
        fit(model(), callbacks.BackupAndRestore(folder), Stop(1, 1))
    (last,) = folder.glob("*.weights.h5")
    last.write_bytes(b"")
    with pytest.raises(ValueError, match="has no backup that could be restored"):
        fit(model(), callbacks.BackupAndRestore(folder))


def test_what_a_backup_needs(tmp_path):
    with pytest.raises(ValueError, match="Empty `backup_dir`"):
        callbacks.BackupAndRestore("")
    with pytest.raises(ValueError, match="Received: save_freq=often"):
        callbacks.BackupAndRestore(tmp_path, "often")
    unbuilt = keras.Sequential([layers.Dense(2)])
    unbuilt.compile("sgd", "mse")
    with pytest.raises(ValueError, match="must be built before you call `fit\\(\\)`"):
        unbuilt.fit(X, X, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path)])


TRAINING = textwrap.dedent(
    """
    import signal, sys, time
    import numpy as np
    import gpunet as keras
    from gpunet import callbacks, layers

    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background of a shell are told to ignore it
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(8), layers.Dropout(0.2), layers.Dense(1)])
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(40, 3))


    class Tell(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch
            print("epoch", epoch, flush=True)

        def on_train_batch_end(self, batch, logs=None):
            if sys.argv[2] == "wait" and (self.epoch, batch) == (2, 3):
                print("waiting", flush=True)
                time.sleep(60)


    backup = callbacks.BackupAndRestore(sys.argv[1] + "/backup", save_freq=2)
    model.fit(x, x[:, :1], batch_size=8, epochs=6, verbose=0, callbacks=[backup, Tell()])
    np.savez(sys.argv[1] + "/done.npz", *model.get_weights())
    """
)


def train(folder, how=None):
    """The training in a process of its own, which waits in its third epoch for a signal if any; its lines of output."""
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(Path(keras.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING, folder, "wait" if how else "run"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        stderr=subprocess.PIPE,
    )
    lines = []
    with process:
        for line in process.stdout:
            lines.append(line.strip())
            if lines[-1] == "waiting":
                process.send_signal(how)
    return lines


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_training_loses_nothing_but_its_last_batches(tmp_path, how):
    assert train(tmp_path / "killed", how)[-2:] == ["epoch 2", "waiting"]
    assert train(tmp_path / "killed")[0] == "epoch 2"
    train(tmp_path / "whole")
    with np.load(tmp_path / "killed" / "done.npz") as a, np.load(tmp_path / "whole" / "done.npz") as b:
        for name in b:
            np.testing.assert_array_equal(a[name], b[name])
