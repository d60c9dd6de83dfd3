"""The record of a training."""

from __future__ import annotations

from typing import Any

from gpunet.callbacks.callback import Callback


class History(Callback):
    """`epoch`: the epochs run, `history`: for each log its values, one per epoch. `fit` returns one."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        self.epoch = []
        self.history = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self
