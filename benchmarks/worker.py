"""`python -m benchmarks.worker REQUEST`: one library's process, which does one piece of work when it is told to.

The request is JSON: module, task, arguments, how, device. The first line of output says how the start went; then each
line of input, `{"seconds": s}`, is answered by the times of a turn. NumPy is imported before the library, as users do.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy  # noqa: F401 - before any other library

from benchmarks.peers import task

_WARM_STEPS = 4  # a recorded step is seen once, traced twice and then replayed


def main() -> None:
    """Serve until the input ends."""
    answers = _take_stdout()
    request = json.loads(sys.argv[1])
    try:
        work, started = _start(request)
        _say(answers, started)
        for line in sys.stdin:
            _say(answers, _turn(work, **json.loads(line)))
    except Exception as error:  # the parent reports it and goes on with the others
        _say(answers, {"error": f"{type(error).__name__}: {error}"[:600]})


def _take_stdout() -> TextIO:
    """The real output, for answers only; what libraries print goes to the error output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _say(answers: TextIO, found: dict[str, Any]) -> None:
    answers.write(json.dumps(found) + "\n")
    answers.flush()


def _start(request: dict[str, Any]) -> tuple[task.Work, dict[str, Any]]:
    begun = time.perf_counter()
    peer = importlib.import_module(f"benchmarks.peers.{request['module']}")
    imported = time.perf_counter()
    mode = task.Mode(request["how"], request["device"])
    peer.set_up(mode)
    at_data: dict[str, Any] = {}

    def data_made() -> None:
        at_data["time"], at_data["memory"] = time.perf_counter(), _memory_from_here()

    work = task.prepare(peer, request["task"], request["arguments"], mode, data_made)
    (work.first or work.run)()
    first = time.perf_counter() - at_data["time"]
    until = time.perf_counter() + request["warm_seconds"]
    calls = 0
    while calls * work.steps < _WARM_STEPS or time.perf_counter() < until:
        work.run()
        calls += 1
    found = {"import_s": imported - begun, "first_s": first}
    if at_data["memory"] is not None:
        found["peak_bytes"] = _status("VmHWM") - at_data["memory"]
    return work, found


def _turn(work: task.Work, seconds: float) -> dict[str, Any]:
    """Seconds per step of calls one by one for about `seconds`, at least one, after one that is not counted."""
    work.run()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while not times or time.perf_counter() < until:
        start = time.perf_counter()
        work.run()
        times.append(time.perf_counter() - start)
    median = statistics.median(times) / work.steps
    return {"median": median, "best": min(times) / work.steps, "calls": len(times)}


def _memory_from_here() -> int | None:
    """The resident bytes now, from which the peak is counted anew; None where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    except OSError:
        return None


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")


if __name__ == "__main__":
    main()
