"""How a worker times its step."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable


def report(step: Callable[[], object], seconds: float = 1.5) -> None:
    """Warm up and time steps one by one, each for about `seconds`, and print the median as JSON.

    The warm-up is long enough for code that is compiled beside the first steps.
    """
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        step()
    times = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    print(json.dumps({"median": statistics.median(times), "best": min(times), "steps": len(times)}))
