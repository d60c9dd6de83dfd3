"""Runs tests on mutants: pytest collects once, and each mutant gets a fork of that process."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Outcome(NamedTuple):
    """ "killed", "survived" or "no build", and the test or signal that made it so."""

    what: str
    by: str


def tests_of(file: str) -> list[Path]:
    """The test files that name a source in their first lines: `# kernels: pooling.cu`."""
    found = []
    for path in sorted((ROOT / "tests" / "cuda").glob("test_*.py")):
        names = re.search(r"^# kernels: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        if names and file in names[1].split():
            found.append(path)
    return found


def digest_of(paths: list[Path]) -> str:
    """What changes when one of the files does."""
    return hashlib.sha256(b"\0".join(p.read_bytes() for p in paths if p.is_file())).hexdigest()[:16]


class Runner:
    """A pytest plugin that collects, then calls `work(runner)` in place of running the tests."""

    def __init__(self, work: Callable[[Runner], None]):
        self.work = work
        self.items: list[pytest.Item] = []
        self.seconds: dict[str, float] = {}  # processor time that each test takes without a mutant
        self.kills: Counter[str] = Counter()
        self._failure: Outcome | None = None

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = list(session.items)
        self.work(self)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self._failure is None:
            refused = "could not build a kernel" in report.longreprtext
            self._failure = Outcome("no build" if refused else "killed", report.nodeid)

    def baseline(self, paths: list[Path]) -> str:
        """Run the tests of the files without a mutant; the first failure, "" if there is none."""
        items = [item for item in self._items(paths) if item.nodeid not in self.seconds]
        answer = _in_fork(lambda: self._run(items, None, {}))
        self.seconds |= answer.get("seconds", {})
        return "" if answer["what"] == "survived" else f"{answer['what']}: {answer['by']}"

    def outcome(self, file: str, text: str, paths: list[Path]) -> Outcome:
        """What the tests of the files say to a text in the place of a source."""
        answer = _in_fork(lambda: self._run(self._items(paths), (file, text), self.seconds))
        found = Outcome(answer["what"], answer["by"])
        if found.what == "killed":
            self.kills[found.by] += 1
        return found

    def _items(self, paths: list[Path]) -> list[pytest.Item]:
        """The tests of the files: first those that noticed other mutants, then the cheap kind."""
        items = [item for item in self.items if item.path in paths]
        return sorted(
            items, key=lambda i: (-self.kills[i.nodeid], "schedule3" in i.nodeid, "float64" in i.nodeid)
        )  # a stable sort

    def _run(self, items: list[pytest.Item], change: tuple[str, str] | None, expected: dict[str, float]) -> dict:
        """In the fork: run until a test fails."""
        if change:
            _replace(*change)
        seconds = {}
        for item, following in zip(items, [*items[1:], None]):
            # Processor time beyond which a test hangs; Linux ends the process, also inside of a kernel.
            signal.setitimer(signal.ITIMER_VIRTUAL, 5 + 5 * expected[item.nodeid] if change else 0)
            start = os.times().user
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            seconds[item.nodeid] = os.times().user - start
            if self._failure:
                return self._failure._asdict()
        return {"what": "survived", "by": "", "seconds": seconds}


def _replace(file: str, text: str) -> None:
    """Make a text the source of that name."""
    from gpunet.backend.cuda import source

    real = source.kernel_source
    source.kernel_source = lambda name: text if name == file else real(name)


def _in_fork(function: Callable[[], dict]) -> dict[str, Any]:
    """What a function returns in a copy of this process; a signal that ends it counts as a kill."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            os.write(sending, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        answer = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return {"what": "killed", "by": signal.Signals(os.WTERMSIG(status)).name}
    if not answer:
        raise RuntimeError("the tests of a mutant ended without a result")
    return json.loads(answer)
