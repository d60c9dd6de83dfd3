"""Files of a layer's own in a `.keras` file: what `save_assets(folder)` writes, `load_assets(folder)` reads."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from gpunet.saving.walk import saveables

ASSETS = "assets"


def collect_assets(model: Any) -> dict[str, bytes]:
    """What the layers' `save_assets` write, by its name in the archive."""
    found: dict[str, bytes] = {}
    for path, item in saveables(model):
        if not hasattr(item, "save_assets"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            item.save_assets(folder)
            for file in sorted(Path(folder).rglob("*")):
                if file.is_file():
                    name = PurePosixPath(ASSETS, path, *file.relative_to(folder).parts)
                    found[str(name)] = file.read_bytes()
    return found


def check_assets(members: dict[str, bytes], what: str) -> None:
    """Raise ValueError if the name of an asset leads out of its folder."""
    for name in members:
        if name.startswith(f"{ASSETS}/") and (".." in name.split("/") or "\\" in name or "\0" in name or ":" in name):
            raise ValueError(f"{what}: the name of an asset leads out of its folder. Received: {name!r}")


def apply_assets(model: Any, members: dict[str, bytes]) -> None:
    """Give each layer with `load_assets` a folder of its files, which is removed afterwards."""
    for path, item in saveables(model):
        if not hasattr(item, "load_assets"):
            continue
        prefix = str(PurePosixPath(ASSETS, path)) + "/"
        with tempfile.TemporaryDirectory() as folder:
            for name, content in members.items():
                if name.startswith(prefix) and not name.endswith("/"):
                    file = Path(folder, *PurePosixPath(name.removeprefix(prefix)).parts)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(content)
            item.load_assets(folder)
