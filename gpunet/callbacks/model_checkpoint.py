"""Saving the model while it trains."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from gpunet.callbacks.batch_counter import BatchCounter
from gpunet.callbacks.monitor import MonitorCallback

_WEIGHTS = (".weights.h5", ".safetensors", ".npz")


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, after epochs or batches.

    A file is there as a whole or not at all, whenever the process ends.

    Args:
        filepath: may have fields of the logs: "{epoch:02d}-{val_loss:.2f}.keras"; `batch` too with an integer
            `save_freq`. `.keras`, or with `save_weights_only` `.weights.h5`, `.safetensors` or `.npz`.
        monitor: the log that says which model is the best, for `save_best_only`.
        verbose: 1 to print what is saved.
        save_best_only: save only if the log is better than ever before.
        save_weights_only: `model.save_weights` rather than `model.save`.
        mode: "min", "max" or "auto", which asks the metric of that name.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: the value to beat at first, with `save_best_only`.

    Raises:
        ValueError: on another suffix or `save_freq`.
    """

    def __init__(
        self,
        filepath: str | os.PathLike,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ):
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._counter = BatchCounter(save_freq)
        self._current_epoch = 0
        if save_weights_only and not self.filepath.endswith(_WEIGHTS):
            raise ValueError(
                f"When using `save_weights_only=True` in `ModelCheckpoint`, the filepath provided must end in "
                f"`.weights.h5`, `.safetensors` or `.npz`. Received: filepath={self.filepath}"
            )
        if not save_weights_only and not self.filepath.endswith(".keras"):
            raise ValueError(
                f"The filepath provided must end in `.keras` (Keras model format). Received: filepath={self.filepath}"
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._current_epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._counter.due(batch):
            self._save(self._current_epoch, {"batch": batch + 1, **(logs or {})})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, dict(logs or {}))

    def _save(self, epoch: int, logs: dict[str, Any]) -> None:
        path = self._path(epoch, logs)
        if not self._wanted(epoch, logs, path):
            return
        if os.path.isdir(path):
            raise OSError(
                f"Please specify a non-directory filepath for ModelCheckpoint. Filepath used is an existing "
                f"directory: {path}"
            )
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path, overwrite=True)
        self._say(epoch, f"finished saving model to {path}")

    def _path(self, epoch: int, logs: dict[str, Any]) -> str:
        try:
            return self.filepath.format(**{"epoch": epoch + 1, **logs})
        except KeyError as error:
            raise KeyError(f'Failed to format this callback filepath: "{self.filepath}". Reason: {error}') from None

    def _wanted(self, epoch: int, logs: dict[str, Any], path: str) -> bool:
        """Whether to save now; notes the best value."""
        if not self.save_best_only:
            self._say(epoch, f"saving model to {path}")
            return True
        value = logs.get(self.monitor)
        if value is None:
            warnings.warn(f"Can save best model only with {self.monitor} available.", stacklevel=4)
            return True
        if np.ndim(value):
            warnings.warn(
                f"Can save best model only when `monitor` is a scalar value. Received: {value}. Falling back to "
                f"`save_best_only=False`.",
                stacklevel=4,
            )
            return True
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self._is_improvement(value, self.best):
            self._say(epoch, f"{self.monitor} did not improve from {best}")
            return False
        self._say(epoch, f"{self.monitor} improved from {best} to {value:.5f}, saving model to {path}")
        self.best = value
        return True

    def _say(self, epoch: int, what: str) -> None:
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: {what}")
