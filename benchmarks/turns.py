"""Libraries in processes of their own that take turns.

In one process the thread pools of two libraries disturb each other; in turn, because a machine's speed drifts. Each
process starts once, warms up, and then waits for its turns, so that a round takes little longer than what it measures.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import machine
from benchmarks.peers import VARIANTS, Variant
from benchmarks.results import Findings

_ROOT = Path(__file__).resolve().parents[1]
_PAUSE = 0.1  # s before each turn, in which threads of the one before stop spinning
_AT_ONCE = 2  # processes that start, which is mostly the work of one thread; turns are taken one by one


class Budget(NamedTuple):
    """How long to measure: rounds, seconds per turn and of warming up, and until a process counts as stuck."""

    rounds: int
    turn: float
    warm: float
    patience: float
    full: bool = False


QUICK = Budget(rounds=3, turn=0.3, warm=0.5, patience=60)
FULL = Budget(rounds=7, turn=1.0, warm=1.5, patience=600, full=True)


class Case(NamedTuple):
    """One row of a section: what is done, and what is known about it, e.g. its FLOPs."""

    name: str
    task: str
    arguments: dict[str, Any]
    facts: dict[str, Any] = {}
    resident: bool = True


class WorkerError(RuntimeError):
    """A worker could not do its work; the message says why."""


class NoAnswerError(WorkerError):
    """A worker took longer than the budget's patience."""


class Worker:
    """A process with one variant's work, ready for turns.

    Raises:
        WorkerError: if it cannot start, fails, or does not answer in time.
    """

    def __init__(self, variant: Variant, case: Case, budget: Budget, environment: dict[str, str] | None = None):
        self._budget = budget
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        request = {"module": variant.module, "task": case.task, "arguments": case.arguments}
        request |= {"how": variant.how, "device": variant.device, "warm_seconds": budget.warm}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=_ROOT,
            env={**machine.environment(), **dict(variant.environment), **(environment or {})},
        )
        try:
            self.started = self._answer()
        except WorkerError:
            self.close()
            raise

    def turn(self) -> float:
        """The median seconds per step of a turn."""
        time.sleep(_PAUSE)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # of a dead process; `_answer` says how it died
            self._process.stdin.write(json.dumps({"seconds": self._budget.turn}) + "\n")
            self._process.stdin.flush()
        return self._answer()["median"]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], self._budget.patience)
        if not ready:
            raise NoAnswerError(f"no answer in {self._budget.patience:g} s")
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise WorkerError(f"the process ended: {self._errors.read().strip()[-300:]}")
        found = json.loads(line)
        if "error" in found:
            raise WorkerError(found["error"])
        return found


def record(case: Case, keys: list[str], budget: Budget, findings: Findings) -> None:
    """Measure the case, if it is wanted, and add what was found."""
    if findings.wants(case.name):
        findings.add(
            *measure(case, [key for key in keys if key not in findings.stuck], budget, findings.stuck), case.name
        )


def measure(
    case: Case, keys: list[str], budget: Budget, stuck: set[str] | None = None
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of one case, one per variant, with a value per round; and what failed, by the variant's name.

    Args:
        stuck: takes up the variants that did not answer in time.
    """
    print(f"  {case.name}", file=sys.stderr, flush=True)  # a section takes minutes
    take = _resident_rounds if case.resident else _fresh_rounds
    values, starts, errors = take(case, keys, budget)
    if stuck is not None:
        stuck |= {key for key, error in errors.items() if isinstance(error, NoAnswerError)}
    rows = []
    for key in keys:
        if values.get(key):
            start = starts[key]
            rows.append({"case": case.name, "variant": key, "unit": "s", "values": values[key], **case.facts, **start})
    return rows, {VARIANTS[key].name: str(error) for key, error in errors.items()}


def _started(case: Case, keys: list[str], budget: Budget) -> dict[str, Worker | WorkerError]:
    """The processes, or why there is none."""

    def start(key: str) -> Worker | WorkerError:
        try:
            return Worker(VARIANTS[key], case, budget)
        except WorkerError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(keys, pool.map(start, keys)))


def _resident_rounds(case: Case, keys: list[str], budget: Budget) -> tuple[dict, dict, dict[str, WorkerError]]:
    """All processes live until the end."""
    values: dict[str, list[float]] = {key: [] for key in keys}
    failed: dict[str, WorkerError] = {}
    workers: dict[str, Worker] = {}
    with contextlib.ExitStack() as stack:
        for key, found in _started(case, keys, budget).items():
            if isinstance(found, WorkerError):
                failed[key] = found
            else:
                workers[key] = found
                stack.callback(found.close)
        for number in range(budget.rounds):
            for key in _order(list(workers), number):
                try:
                    values[key].append(workers[key].turn())
                except WorkerError as error:
                    failed[key] = error
                    values[key] = []
                    workers.pop(key)
    return values, {key: worker.started for key, worker in workers.items()}, failed


def _fresh_rounds(case: Case, keys: list[str], budget: Budget) -> tuple[dict, dict, dict[str, WorkerError]]:
    """A process for each turn, where several would not fit into memory."""
    values: dict[str, list[float]] = {key: [] for key in keys}
    starts: dict[str, dict[str, Any]] = {}
    failed: dict[str, WorkerError] = {}
    for number in range(budget.rounds):
        for key in _order([key for key in keys if key not in failed], number):
            try:
                worker = Worker(VARIANTS[key], case, budget)
            except WorkerError as error:
                failed[key] = error
                continue
            try:
                values[key].append(worker.turn())
                starts.setdefault(key, worker.started)
            except WorkerError as error:
                failed[key] = error
            finally:
                worker.close()
    return {key: [] if key in failed else v for key, v in values.items()}, starts, failed


def _order(keys: list[str], number: int) -> list[str]:
    """There and back, so that a drift favours nobody."""
    return keys[::-1] if number % 2 else keys
