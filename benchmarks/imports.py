"""The processor time of `import gpunet`, against that of `import numpy`, which it includes."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

_ROUNDS = 15


def cpu_seconds(statement: str) -> float:
    """User and system seconds of a fresh interpreter that runs the statement."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print both, without the interpreter's own start, and their ratio."""
    statements = ("pass", "import numpy", "import gpunet", "from gpunet import layers, ops")
    times: dict[str, list[float]] = {statement: [] for statement in statements}
    for _ in range(_ROUNDS):
        for statement in statements:
            times[statement].append(cpu_seconds(statement))
    start = statistics.median(times["pass"])
    net = {statement: statistics.median(times[statement]) - start for statement in statements[1:]}
    print("| statement | CPU, ms | of `import numpy` |\n|---|---|---|")
    for statement, seconds in net.items():
        print(f"| `{statement}` | {seconds * 1e3:.0f} | {seconds / net['import numpy']:.2f} |")
