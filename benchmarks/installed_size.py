"""How many bytes an installed distribution takes, with everything that it requires."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import gpunet

_ROOT = Path(__file__).resolve().parents[1]
_SKIP = ("extra ==",)  # requirements of extras that nobody asked for


def closure(requirement: str) -> tuple[int, int]:
    """Bytes and number of distributions, (0, 0) if it is not installed; `gpunet` is the tree that runs."""
    found: dict[str, int] = {}
    if requirement.startswith("gpunet"):
        project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
        found["gpunet"] = _tree_bytes()
        extra = re.search(r"\[(\w+)\]", requirement)
        waiting = list(project["dependencies"]) + (project["optional-dependencies"][extra[1]] if extra else [])
    else:
        waiting = [requirement]
    while waiting:
        name = _normal(waiting.pop())
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform, or this library is not installed
        found[name] = _bytes(distribution)
        waiting += [r for r in distribution.requires or [] if not any(word in r for word in _SKIP)]
    return sum(found.values()), len(found)


def _normal(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else requirement


def _bytes(distribution: metadata.Distribution) -> int:
    """Of the distribution's files, without bytecode, which is made after the installation."""
    paths = (Path(str(file.locate())) for file in distribution.files or [] if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())


def _tree_bytes() -> int:
    """Of the package and the kernels that the wheel ships."""
    folders = (Path(gpunet.__file__).parent, _ROOT / "cuda_kernels")
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc")
