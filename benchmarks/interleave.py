"""Timing libraries against each other in processes of their own, taken in turn.

In one process the thread pools of two libraries disturb each other; in turn, because a machine's speed drifts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import NamedTuple


class Comparison(NamedTuple):
    """Seconds per step of two libraries, and the ratios of neighbouring runs."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.ours, self.theirs)]

    def row(self, name: str) -> str:
        """A line of a Markdown table: name, both medians in ms, the median ratio and its range."""
        ratios = self.ratios
        return (
            f"| {name} | {statistics.median(self.ours) * 1e3:.3f} | {statistics.median(self.theirs) * 1e3:.3f} "
            f"| {statistics.median(ratios):.2f} | {min(ratios):.2f} – {max(ratios):.2f} |"
        )


def run_worker(module: str, *arguments: str, **environment: str) -> float:
    """The median seconds per step that `python -m module arguments` prints as JSON."""
    command = [sys.executable, "-m", module, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if result.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])["median"]


def compare(ours: str, theirs: str, case: str, rounds: int = 7, **environment: str) -> Comparison:
    """Run both workers in turn, `rounds` times; `environment` is that of ours."""
    pairs = [(run_worker(ours, case, **environment), run_worker(theirs, case)) for _ in range(rounds)]
    return Comparison([a for a, _ in pairs], [b for _, b in pairs])
