"""`Progbar`: progress of a loop of one's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

from gpunet import config
from gpunet.callbacks.progbar import format_value


class Progbar:
    """Shows how far a loop has come, with averages of values.

    Args:
        target: the number of steps; None where it is unknown.
        width: of the bar.
        verbose: 0 for nothing, 1 for a bar, 2 for a line at the end.
        interval: seconds between two updates of the picture.
        stateful_metrics: names whose values are shown as they are, rather than averaged; all but
            `stateless_metrics` where these are given.
        unit_name: of a step.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ):
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                f"Only one of `stateful_metrics` or `stateless_metrics` can be provided. "
                f"Received: stateful_metrics={stateful_metrics}, stateless_metrics={stateless_metrics}"
            )
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.stateful_metrics = set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self.unit_name = unit_name
        self._sums: dict[str, list[float]] = {}
        self._seen = 0
        self._started = time.perf_counter()
        self._drawn = 0.0

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Show step `current`; `values` are (name, value) pairs of it. `finalize` ends the line."""
        steps = current - self._seen
        for name, value in values or ():
            if self._is_shown_as_it_is(name):
                self._sums[name] = [float(value), 1.0]
            else:
                total = self._sums.setdefault(name, [0.0, 0.0])
                total[0] += float(value) * max(steps, 1)
                total[1] += max(steps, 1)
        self._seen = current
        done = (self.target is not None and current >= self.target) if finalize is None else finalize
        now = time.perf_counter()
        if self.verbose and (done or (self.verbose == 1 and now - self._drawn >= self.interval)):
            self._drawn = now
            self._draw(current, now - self._started, done)

    def _is_shown_as_it_is(self, name: str) -> bool:
        return name in self.stateful_metrics if self.stateless_metrics is None else name not in self.stateless_metrics

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps are done."""
        self.update(self._seen + n, values)

    def _draw(self, current: int, seconds: float, done: bool) -> None:
        moves = self.verbose == 1 and config.is_interactive_logging_enabled() and sys.stdout.isatty()
        if not (moves or done):
            return
        parts = [f"{current}/{self.target}" if self.target else str(current)]
        if self.target and self.verbose == 1:
            full = round(self.width * min(1.0, current / self.target))
            parts.append("━" * full + "─" * (self.width - full))
        each = seconds / max(current, 1)
        parts.append(f"{seconds:.0f}s {each * 1e3:.0f}ms/{self.unit_name}")
        parts += [f"{name}: {format_value(total / count)}" for name, (total, count) in self._sums.items()]
        text = f"{parts[0]} " + " - ".join(parts[1:])
        print(f"\r{text}" if moves else text, end="\n" if done else "", flush=True)
