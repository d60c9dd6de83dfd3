"""Sharing a loop's work between threads."""

from __future__ import annotations

from collections.abc import Callable

from gpunet.backend.cpu.threads import split

# Items. OpenMP's threads go on spinning for a while after oneDNN's work, on the cores that other threads would need:
# beside it one thread was measured to be as quick up to here.
_LARGE = 1 << 22


def spread(function: Callable[[int, int], None], count: int, items: int) -> None:
    """Run `function(start, stop)` over `count` parts of an array of `items`, in several threads if it is large."""
    split(function, count, 4 * items if items >= _LARGE else 0)
