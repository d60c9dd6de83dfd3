"""Changing the learning rate between epochs."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.callbacks.callback import Callback
from gpunet.callbacks.monitor import MonitorCallback


def rates(optimizer: Any) -> list[tuple[str, str, Any]]:
    """For each optimizer with a learning rate: its name in the logs, its name in messages, and itself.

    Those of a `MultiOptimizer` are told apart by their names.
    """
    if not hasattr(optimizer, "optimizers"):
        return [("learning_rate", "", optimizer)]
    return [(f"learning_rate_{one.name}", f"{one.name} ", one) for one in optimizer.optimizers]


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch to `schedule(epoch, learning_rate)`, or `schedule(epoch)`.

    The rate goes into the logs as `learning_rate`.

    Raises:
        ValueError: at the beginning of an epoch, if the schedule does not return a float.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0):
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        for _, name, optimizer in rates(self.model.optimizer):
            arguments = (epoch, float(optimizer.learning_rate))[: self._arguments()]
            rate = self.schedule(*arguments)
            if not isinstance(rate, float | np.floating):
                raise ValueError(f"The output of the `schedule` function should be a float. Received: {rate!r}")
            optimizer.learning_rate = rate
            if self.verbose > 0:
                print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting {name}learning rate to {rate}.")

    def _arguments(self) -> int:
        """1 if the schedule takes the epoch only, else 2."""
        try:
            inspect.signature(self.schedule).bind(0, 0.0)
        except TypeError:
            return 1
        return 2

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs |= {key: float(one.learning_rate) for key, _, one in rates(self.model.optimizer)}


class ReduceLROnPlateau(MonitorCallback):
    """Multiplies the learning rate by `factor` when the monitored log has not improved for `patience` epochs.

    Args:
        monitor: a log, e.g. "val_loss".
        factor: below 1.
        mode: "min", "max" or "auto", as for `EarlyStopping`.
        min_delta: the least change that counts as an improvement.
        cooldown: epochs to wait after a reduction.
        min_lr: the lowest rate.

    Raises:
        ValueError: if the factor is not below 1.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0. Received: factor={factor}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr

    def on_train_begin(self, logs: Any = None) -> None:
        self.best = None
        self.wait = 0
        self.cooldown_counter = 0

    def in_cooldown(self) -> bool:
        """Whether a reduction was too short a time ago for another one."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = {} if logs is None else logs
        logs |= {key: float(one.learning_rate) for key, _, one in rates(self.model.optimizer)}
        if self.monitor not in logs:
            warnings.warn(
                f"Learning rate reduction is conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {','.join(logs)}.",
                stacklevel=2,
            )
            return
        if self.monitor_op is None:
            self._set_monitor_op()
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(logs[self.monitor], self.best):
            self.best, self.wait = logs[self.monitor], 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        for _, name, optimizer in rates(self.model.optimizer):
            before = float(optimizer.learning_rate)
            if before <= np.float32(self.min_lr):
                continue
            rate = max(before * self.factor, self.min_lr)
            optimizer.learning_rate = rate
            if self.verbose > 0:
                print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing {name}learning rate to {rate}.")
            self.cooldown_counter, self.wait = self.cooldown, 0
