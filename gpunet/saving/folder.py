"""The parts of a `.keras` file in a folder: `model.save(folder, zipped=False)`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gpunet.utils.atomic import replacing

NAMES = ("metadata.json", "config.json", "model.weights.h5")


def save_folder(folder: Any, members: dict[str, Any]) -> None:
    """Write the parts, each of them whole or not at all."""
    for name, content in members.items():
        path = Path(folder, *name.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(content)


def read_folder(folder: Any) -> dict[str, bytes]:
    """The parts in a folder, by name; nothing outside of it is read.

    Raises:
        ValueError: if one is missing, or is a link.
    """
    root = Path(folder)
    missing = [name for name in NAMES if not (root / name).is_file()]
    if missing:
        raise ValueError(f"{folder} has no model: it needs {missing}. Received: {sorted(os.listdir(folder))[:20]}")
    found = {}
    for place, folders, files in os.walk(root):
        for name in [*folders, *files]:
            if Path(place, name).is_symlink():
                raise ValueError(f"{folder} has a link, which is not followed. Received: {Path(place, name).name!r}")
        for name in files:
            path = Path(place, name)
            relative = path.relative_to(root).as_posix()
            if relative in NAMES or relative.startswith("assets/"):
                found[relative] = path.read_bytes()
    return found
