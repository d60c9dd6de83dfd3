"""The folder in which gpunet keeps what it can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """`name` in `$GPUNET_HOME`, else in `gpunet` in the user's cache (`$XDG_CACHE_HOME` or `~/.cache`)."""
    if os.environ.get("GPUNET_HOME"):
        return Path(os.environ["GPUNET_HOME"]).expanduser() / name
    return _user_cache() / "gpunet" / name


def _user_cache() -> Path:
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # the specification says to ignore relative ones
        return Path(xdg)
    home = os.environ.get("HOME") or os.environ.get("TMPDIR") or "/tmp"
    return Path(home) / ".cache"
