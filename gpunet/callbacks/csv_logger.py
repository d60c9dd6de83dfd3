"""Logs as a table in a file."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gpunet.callbacks.callback import Callback


class CSVLogger(Callback):
    """Writes a line per epoch to a CSV file.

    Args:
        filename: the file.
        separator: between columns.
        append: continue the file rather than begin anew.
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self._file: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        self.on_train_end()  # of a training that an exception ended
        path = Path(self.filename)
        self._needs_header = not (self.append and path.exists() and path.stat().st_size)
        self._file = path.open("a" if self.append else "w", newline="")
        self._writer: csv.DictWriter | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        if self._writer is None:
            self._writer = self._begin(sorted(logs))
        row = {key: _cell(logs.get(key, "NA")) for key in self._writer.fieldnames if key != "epoch"}
        self._writer.writerow({"epoch": epoch, **row})
        self._file.flush()

    def _begin(self, keys: list[str]) -> csv.DictWriter:
        """A writer with columns for validation too, which may come in later epochs only."""
        if not any(key.startswith("val_") for key in keys):
            keys = [*keys, *(f"val_{key}" for key in keys)]
        writer = csv.DictWriter(self._file, ["epoch", *keys], delimiter=self.sep)
        if self._needs_header:
            writer.writeheader()
        return writer

    def on_train_end(self, logs: Any = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _cell(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str) and getattr(value, "ndim", 1) != 0:
        return f'"[{", ".join(map(str, value))}]"'
    return value
