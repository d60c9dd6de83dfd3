"""Whether this thread's computation is being watched for a recording."""

from __future__ import annotations

import threading
from typing import Any


class _State(threading.local):
    """`trace` is the trace that is being made, or None."""

    def __init__(self):
        self.trace: Any = None


state = _State()


def cannot_record(why: str) -> None:
    """Note that what runs now is beyond a recording; nothing happens where none is made."""
    if state.trace is not None and state.trace.obstacle is None:
        state.trace.obstacle = why
