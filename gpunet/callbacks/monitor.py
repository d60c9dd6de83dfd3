"""The base of callbacks that watch whether a quantity improves."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from operator import gt, lt
from typing import Any

from gpunet.callbacks.callback import Callback

_UP = ("acc", "accuracy", "auc", "score", "precision", "recall", "iou")


class MonitorCallback(Callback):
    """Compares a log with the best one so far.

    Args:
        monitor: a log, e.g. "val_loss".
        mode: "min", "max" or "auto", which asks the metric of that name.
        baseline: the value to begin with; the first one where None.
        min_delta: the least change that counts as an improvement.

    Raises:
        ValueError: in use, if "auto" finds no metric that says what is better.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", baseline: float | None = None, min_delta: float = 0
    ):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode.", stacklevel=3)
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self.monitor_op: Callable[[Any, Any], bool] | None = None

    def _is_improvement(self, value: float, reference: float | None) -> bool:
        if reference is None:
            return True
        if self.monitor_op is None:
            self._set_monitor_op()
        delta = self.min_delta if self.monitor_op is gt else -self.min_delta
        return self.monitor_op(value - delta, reference)  # type: ignore[misc]

    def _set_monitor_op(self) -> None:
        """Find out what is better, which "auto" can tell once the metrics are there."""
        direction = {"min": "down", "max": "up"}.get(self.mode) or self._direction()
        if direction is None:
            raise ValueError(
                f"{type(self).__name__} callback received monitor={self.monitor}, but gpunet isn't able to "
                f"automatically determine whether that metric should be maximized or minimized. Pass `mode='max'` in "
                f"order to monitor based on the highest metric value, or pass `mode='min'` in order to use the lowest "
                f"value."
            )
        self.monitor_op = gt if direction == "up" else lt

    def _direction(self) -> str | None:
        name = self.monitor.removeprefix("val_")
        for metric in getattr(self.model, "metrics", ()):
            named = metric.results() if hasattr(metric, "results") else {metric.name: metric}
            found = getattr(named.get(name), "_direction", None)
            if found is not None:
                return found
        if name == "loss" or name.endswith("_loss"):
            return "down"
        return "up" if name.rpartition("_")[2] in _UP else None
