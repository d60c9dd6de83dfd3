"""Where datasets are looked for: a given path, else the folder `GPUNET_DATA`, else the cache."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gpunet.backend import cache


def cache_folder() -> Path:
    """`$GPUNET_HOME/datasets`, else `gpunet/datasets` in the user's cache (`$XDG_CACHE_HOME` or `~/.cache`)."""
    return Path(cache.cache_folder("datasets"))


def candidates(path: str | os.PathLike | None, names: Iterable[str]) -> list[Path]:
    """The folders that may hold the dataset whose own folder has one of `names`, the most specific first."""
    names = tuple(names)
    if path is not None:
        return _below(Path(path).expanduser(), names)
    given = os.environ.get("GPUNET_DATA")
    shared = _below(Path(given).expanduser(), names) if given else []
    return [*shared, *(cache_folder() / name for name in names)]


def _below(folder: Path, names: tuple[str, ...]) -> list[Path]:
    return [*(folder / name for name in names), folder]


def missing_note(folder: Path, missing: Iterable[str]) -> str:
    """One line of `not_found`: what `folder` lacks."""
    return f"{folder}: without {', '.join(missing)}" if folder.is_dir() else f"{folder}: no such folder"


def not_found(dataset: str, expected: str, looked: Iterable[str], advice: str) -> FileNotFoundError:
    """The error that says what was looked for, where, and what to do."""
    lines = [f"gpunet.datasets.{dataset} expected {expected}. Received:", *looked]
    others = "let the environment variable GPUNET_DATA name the folder that holds them, or pass that folder as path."
    return FileNotFoundError("\n  ".join(lines) + f"\n{advice}, {others}")
