"""The folder in which gpunet keeps what it can make or fetch again."""

from __future__ import annotations

import os


def cache_folder(name: str) -> str:
    """`name` in `$GPUNET_HOME`, else in `gpunet` in the user's cache (`$XDG_CACHE_HOME` or `~/.cache`)."""
    if os.environ.get("GPUNET_HOME"):
        return os.path.join(os.path.expanduser(os.environ["GPUNET_HOME"]), name)
    return os.path.join(_user_cache(), "gpunet", name)


def _user_cache() -> str:
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # the specification says to ignore relative ones
        return xdg
    home = os.environ.get("HOME") or os.environ.get("TMPDIR") or "/tmp"
    return os.path.join(home, ".cache")
