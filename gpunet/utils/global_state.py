"""State of the process beside the objects one holds."""

from __future__ import annotations

import gc

from gpunet.symbolic.operation import reset_names


def clear_session(free_memory: bool = True) -> None:
    """Start naming layers from the beginning, and collect what is no longer used unless `free_memory` is False."""
    reset_names()
    if free_memory:
        gc.collect()
