"""Training that goes on where the process ended."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from gpunet.callbacks.batch_counter import BatchCounter
from gpunet.callbacks.callback import Callback
from gpunet.random import global_generator
from gpunet.utils.atomic import replacing

_METADATA = "training_metadata.json"


class BackupAndRestore(Callback):
    """Saves the state of training, and continues from it when `fit` is called again after an interruption.

    With an integer `save_freq` training continues within the epoch: the same order of samples, those that were seen
    left out, the same random numbers and running metrics, so that it ends as if nothing had happened. Batches of a
    generator are read and passed over. What other callbacks count is not saved.

    The files of a backup are complete before its metadata, which names them, takes the place of the one before:
    whenever the process ends, the folder has a whole backup.

    Args:
        backup_dir: a folder for this alone, deleted when training ends.
        save_freq: "epoch", a number of batches, or False for never.
        double_checkpoint: keep the backup before the last too, and take it if the last one is damaged.
        delete_checkpoint: delete the folder at the end.

    Raises:
        ValueError: on an empty folder name or another `save_freq`; in use, if the model is not built.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike,
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ):
        super().__init__()
        if not backup_dir:
            raise ValueError("Empty `backup_dir` argument passed")
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(
                f"Invalid value for argument `save_freq`. Received: save_freq={save_freq}. Expected either 'epoch' or "
                f"an integer value."
            )
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._counter = BatchCounter(save_freq)
        self._resumed: dict[str, Any] | None = None

    @property
    def _folder(self) -> Path:
        return Path(self.backup_dir)

    def on_train_begin(self, logs: Any = None) -> None:
        if not self.model.built:
            raise ValueError(
                f"To use the BackupAndRestore callback, you model must be built before you call `fit()`. Model "
                f"{self.model} is unbuilt. You can build it beforehand by calling it on a batch of data."
            )
        self._counter = BatchCounter(self.save_freq)
        self._resumed = self._load()
        if self._resumed is not None:
            self.model._resume_at(self._resumed["epoch"], self._resumed["batch"], self._continue)

    def _load(self) -> dict[str, Any] | None:
        """The metadata of the last whole backup, whose weights are the model's now."""
        failure: Exception | None = None
        for name in (_METADATA, f"{_METADATA}.bkp"):
            if not (self._folder / name).exists():
                continue
            try:
                found = json.loads((self._folder / name).read_text())
                self.model.load_weights(self._folder / found["weights"])
            except (OSError, ValueError, KeyError) as error:
                failure = failure or error
            else:
                return found
        if failure is not None:
            raise ValueError(f"{self.backup_dir} has no backup that could be restored: {failure}") from failure
        return None

    def _continue(self) -> None:
        """Be within the epoch again: called when its batches so far were passed over."""
        state: Any = self._resumed
        self.model.load_weights(self._folder / state["weights"])
        for variable, value in zip(self.model._metric_variables(), state["metrics"]):
            variable.assign(value)
        global_generator().state.assign(state["seed"])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._resumed is not None and epoch == self._resumed["epoch"]:
            global_generator().state.assign(self._resumed["seed_of_epoch"])
        self._epoch = epoch
        self._seed_of_epoch = global_generator().state.numpy().tolist()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._counter.due(batch):
            self._save(self._epoch, batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch + 1, 0)

    def _save(self, epoch: int, batch: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        weights = f"{epoch}-{batch}.weights.h5"
        self.model.save_weights(self._folder / weights)
        seed = global_generator().state.numpy().tolist()
        metadata = {
            "epoch": epoch,
            "batch": batch,
            "weights": weights,
            "seed": seed,
            "seed_of_epoch": self._seed_of_epoch if batch else seed,
            "metrics": [v.numpy().tolist() for v in self.model._metric_variables()] if batch else [],
        }
        target = self._folder / _METADATA
        if self.double_checkpoint and target.exists():
            os.replace(shutil.copy(target, f"{target}.tmp"), f"{target}.bkp")
        with replacing(target) as file:
            file.write(json.dumps(metadata).encode())
        self._tidy()

    def _tidy(self) -> None:
        """Remove the weights that no metadata names, and what an interrupted save left."""
        named = [
            json.loads(path.read_text())["weights"] for path in self._folder.glob(f"{_METADATA}*") if path.is_file()
        ]
        for path in [*self._folder.glob("*.weights.h5"), *self._folder.glob(".*.tmp")]:
            if path.name not in named:
                path.unlink()

    def on_train_end(self, logs: Any = None) -> None:
        if self.delete_checkpoint and self._folder.exists():
            shutil.rmtree(self._folder)
