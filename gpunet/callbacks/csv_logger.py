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
        self._keys: list[str] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        self._keys = None
        if not self.append:
            Path(self.filename).write_text("")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        path = Path(self.filename)
        # Opened for each line: nobody has to close it when a training is interrupted.
        with path.open("a", newline="") as file:
            header = self._keys is None and not path.stat().st_size
            self._keys = _columns(sorted(logs)) if self._keys is None else self._keys
            writer = csv.DictWriter(file, ["epoch", *self._keys], delimiter=self.sep)
            if header:
                writer.writeheader()
            writer.writerow({"epoch": epoch, **{key: _cell(logs.get(key, "NA")) for key in self._keys}})


def _columns(keys: list[str]) -> list[str]:
    """Columns for validation too, which may come in later epochs only."""
    return keys if any(key.startswith("val_") for key in keys) else [*keys, *(f"val_{key}" for key in keys)]


def _cell(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str) and getattr(value, "ndim", 1) != 0:
        return f'"[{", ".join(map(str, value))}]"'
    return value
