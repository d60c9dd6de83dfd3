"""Doing something every so many batches, across epochs."""

from __future__ import annotations

from typing import Any


class BatchCounter:
    """Says when `every` batches are over; with several steps per execution, at the first call after that.

    Args:
        every: a number of batches, or "epoch" (and False) for never.

    Raises:
        ValueError: on anything else.
    """

    def __init__(self, every: Any):
        if every != "epoch" and not isinstance(every, int):
            raise ValueError(f"Unrecognized save_freq: {every}. Expected save_freq are 'epoch' or integer values")
        self.every = every
        self.count = 0
        self.last = -1

    def due(self, batch: int) -> bool:
        """Count the batches up to number `batch` of the epoch."""
        if self.every == "epoch" or not self.every:
            return False
        self.count += batch + 1 if batch <= self.last else batch - self.last
        self.last = batch
        if self.count < self.every:
            return False
        self.count = 0
        return True
