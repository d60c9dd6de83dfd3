"""The progress of training, shown in a terminal, a notebook or a log file."""

from __future__ import annotations

import sys
import time
from typing import Any

from gpunet import config
from gpunet.callbacks.callback import Callback

_INTERVAL = 0.1  # seconds between two drawings


def format_logs(logs: Any) -> str:
    """`accuracy: 0.9812 - loss: 0.0613`; small numbers in scientific notation."""
    return " - ".join(f"{name}: {format_value(value)}" for name, value in logs.items())


def format_value(value: Any) -> str:
    """A number with four decimals, or in scientific notation where these would hide it."""
    if not isinstance(value, float | int):
        return str(value)
    return f"{value:.4f}" if value == 0 or abs(value) > 1e-3 or value != value else f"{value:.4e}"


def format_time(seconds: float) -> str:
    """`2ms`, `3.1s`, `1:05` or `1:02:03`."""
    if seconds < 1:
        return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, secs = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


class _Lines:
    """One plain line per finished epoch."""

    def start(self, title: str, total: int | None) -> None: ...
    def show(self, done: int, total: int | None, rate: float, logs: Any) -> None: ...
    def abandon(self) -> None: ...

    def finish(self, title: str, done: int, seconds: float, logs: Any) -> None:
        per_step = format_time(seconds / done) if done else "-"
        parts = [title, f"{done}/{done}", format_time(seconds), f"{per_step}/step", format_logs(logs)]
        print(" - ".join(p for p in parts if p), flush=True)


class _Notebook(_Lines):
    """A line that is rewritten in place, as notebooks show carriage returns."""

    def start(self, title: str, total: int | None) -> None:
        self.title = title

    def show(self, done: int, total: int | None, rate: float, logs: Any) -> None:
        steps = f"{done}/{total}" if total else str(done)
        eta = f" - {format_time((total - done) / rate)} left" if total and rate else ""
        line = f"{self.title} - {steps} - {rate:.0f} steps/s{eta} - {format_logs(logs)}"
        print(f"\r{line[:160]:<160}", end="", flush=True)

    def finish(self, title: str, done: int, seconds: float, logs: Any) -> None:
        print("\r", end="")
        super().finish(title, done, seconds, logs)

    def abandon(self) -> None:
        print(flush=True)


class _Terminal:
    """A bar drawn by rich. Nothing refreshes it but `show`, so that no thread runs beside the training."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            auto_refresh=False,
            console=Console(),  # rich's own decided for ever whether it is in a terminal when it was first needed
        )
        self.task: Any = None

    def start(self, title: str, total: int | None) -> None:
        self.progress.start()
        self.task = self.progress.add_task(title, total=total, note="")

    def show(self, done: int, total: int | None, rate: float, logs: Any) -> None:
        eta = f" · {format_time((total - done) / rate)} left" if total and rate else ""
        note = f"{rate:.0f} steps/s{eta} · {format_logs(logs)}"
        self.progress.update(self.task, completed=done, note=note)
        self.progress.refresh()

    def finish(self, title: str, done: int, seconds: float, logs: Any) -> None:
        per_step = format_time(seconds / done) if done else "-"
        note = " · ".join(p for p in (format_time(seconds), f"{per_step}/step", format_logs(logs)) if p)
        self.progress.update(self.task, completed=done, total=done, note=note)
        self.progress.refresh()
        self.progress.stop()
        self.progress.remove_task(self.task)

    def abandon(self) -> None:
        self.progress.stop()


def _in_notebook() -> bool:
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _display(verbose: int) -> Any:
    if verbose != 1 or not config.is_interactive_logging_enabled():
        return _Lines()
    if _in_notebook():
        return _Notebook()
    if sys.stdout.isatty():
        return _Terminal()
    return _Lines()


class ProgbarLogger(Callback):
    """Shows epoch, steps, rate, time left and logs: a bar in a terminal, one line per epoch elsewhere.

    The logs are read at most ten times a second, so showing them does not slow the steps down.
    """

    def __init__(self) -> None:
        super().__init__()
        self.display: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self.verbose = params.get("verbose", 1)
        self.total = params.get("steps")

    def _begin(self, title: str) -> None:
        self.display = _display(self.verbose)
        self.title = title
        self.done = 0
        self.started = self.drawn = time.perf_counter()
        self.display.start(title, self.total)

    def _step(self, batch: int, logs: Any) -> None:
        self.done = batch + 1
        now = time.perf_counter()
        if now - self.drawn >= _INTERVAL:
            self.drawn = now
            self.display.show(self.done, self.total, self.done / (now - self.started), logs or {})

    def _end(self, logs: Any) -> None:
        if self.display is not None:
            self.display.finish(self.title, self.done, time.perf_counter() - self.started, logs or {})
            self.display = None

    def close(self) -> None:
        """Leave the terminal in order after an exception."""
        if self.display is not None:
            self.display.abandon()
            self.display = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begin(f"Epoch {epoch + 1}/{self.params['epochs']}")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._step(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._end(logs)

    def on_test_begin(self, logs: Any = None) -> None:
        if self.display is None:
            self._begin("Evaluate")

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.title == "Evaluate":
            self._step(batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        if self.title == "Evaluate":
            self._end(logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        self._begin("Predict")

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self._step(batch, {})

    def on_predict_end(self, logs: Any = None) -> None:
        self._end({})
