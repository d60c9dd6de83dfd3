"""The one format of results: a JSON file with machine, command and sections, and how figures follow from it.

A section has `title`, `seconds`, `missing` and `failures` (name → reason) and `rows`. A row has `case`, `variant`,
`unit` and `values`, one per round, in which all variants of a case took their turns; and what else is known of it.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import machine
from benchmarks.peers import TORCH_EAGER, installed

FOLDER = Path(__file__).resolve().parent / "results"
FORMAT = 1
Row = dict[str, Any]


class Findings:
    """What a section finds; `only` limits it to some variants, `cases`, a regular expression, to some of its cases."""

    def __init__(self, only: Iterable[str] | None = None, cases: str | None = None) -> None:
        self.only = None if only is None else set(only)
        self._pattern = None if cases is None else re.compile(cases, re.IGNORECASE)
        self._start = time.perf_counter()
        self.rows: list[Row] = []
        self.missing: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        self.stuck: set[str] = set()  # variants that did not answer in time, and are not waited for again

    def ready(self, wanted: Iterable[str]) -> list[str]:
        """Those variants that can run here; the others are noted as missing."""
        keys, absent = installed([key for key in wanted if self.only is None or key in self.only])
        self.missing |= absent
        return keys

    def wants(self, case: str) -> bool:
        """Whether the case is to be measured."""
        return self._pattern is None or self._pattern.search(case) is not None

    def keep(self, section: dict[str, Any] | None) -> None:
        """Take over rows from before, with their date and command, of cases that were not wanted now."""
        if self._pattern is None or section is None:
            return
        origin = {"date": section["date"], "command": section["command"]}
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row["case"], []).append(row)
        kept: list[Row] = []
        for case, by_variant in cases(section["rows"]).items():
            if case in found:
                kept += found.pop(case)
            elif not self.wants(case):
                kept += [origin | row for row in by_variant.values()]
        self.rows = kept + [row for rows in found.values() for row in rows]

    def section(self, title: str) -> dict[str, Any]:
        """The part of a result file."""
        seconds = round(time.perf_counter() - self._start, 1)
        reasons = {"missing": self.missing, "failures": self.failures}
        return {"title": title, "seconds": seconds, **reasons, "rows": self.rows}

    def add(self, rows: Iterable[Row], failures: dict[str, str], case: str) -> None:
        """Take over the rows of a case and note what failed in it."""
        self.rows += rows
        self.failures |= {f"{case}: {name}": reason for name, reason in failures.items()}


def new(command: str) -> dict[str, Any]:
    """A result file without sections."""
    date = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return {"format": FORMAT, "command": command, "date": date, "machine": machine.describe(), "sections": {}}


def folder_of(results: dict[str, Any], below: Path = FOLDER) -> Path:
    """`results/<cpu model>`."""
    return below / (re.sub(r"\W+", "-", results["machine"]["cpu"]).strip("-").lower() or "cpu")


def save(results: dict[str, Any], path: Path) -> None:
    """Write the JSON file, replacing an older one at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    beside.replace(path)


def load(path: Path) -> dict[str, Any]:
    """Read a result file.

    Raises:
        ValueError: if it has another format.
    """
    found = json.loads(path.read_text())
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{path} is no result file of format {FORMAT}.")
    return found


class Ratio(NamedTuple):
    """The median of the rounds' ratios, and their range."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} – {self.high:.2f})"


def ratio(ours: Row, theirs: Row) -> Ratio:
    """Of two rows of one case, round by round."""
    found = [a / b for a, b in zip(ours["values"], theirs["values"])]
    return Ratio(statistics.median(found), min(found), max(found))


def median(row: Row) -> float:
    """The row's figure."""
    return statistics.median(row["values"])


def cases(rows: Iterable[Row]) -> dict[str, dict[str, Row]]:
    """case → variant → row, in order."""
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row["case"], {})[row["variant"]] = row
    return found


def best_torch(by_variant: dict[str, Row]) -> Row | None:
    """The fastest eager PyTorch of a case on the CPU."""
    return min((by_variant[key] for key in TORCH_EAGER if key in by_variant), key=median, default=None)


def sgemm_rate(results: dict[str, Any]) -> float | None:
    """The best measured float32 matrix rate, FLOP/s, of whichever library."""
    rows = results["sections"].get("limits", {}).get("rows", [])
    return max((row["flops"] / median(row) for row in rows if "flops" in row), default=None)


def slope(points: list[tuple[float, float]]) -> float | None:
    """d log y / d log x by least squares; None for fewer than two different x."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x, mean_y = (statistics.fmean(p[i] for p in logs) if logs else 0.0 for i in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / spread if spread else None
