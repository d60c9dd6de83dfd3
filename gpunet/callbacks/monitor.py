"""The base of callbacks that watch whether a quantity improves."""

from __future__ import annotations

from gpunet.callbacks.callback import Callback


class MonitorCallback(Callback):
    """Compares a log with the best one so far.

    Args:
        monitor: a log, e.g. "val_loss".
        mode: "min", "max" or "auto", which takes "max" for accuracies, AUC and scores and "min" for the rest.
        min_delta: the least change that counts as an improvement.

    Raises:
        ValueError: on another mode.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be 'auto', 'min' or 'max'. Received: mode={mode!r}")
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)

    def _improves(self, value: float, reference: float | None) -> bool:
        if reference is None:
            return True
        return value - self.min_delta > reference if self._larger else value + self.min_delta < reference

    @property
    def _larger(self) -> bool:
        """Whether larger values are better."""
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_")
        return name.endswith(("acc", "accuracy", "auc", "score", "precision", "recall")) or name == "iou"
