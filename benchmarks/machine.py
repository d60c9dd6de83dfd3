"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import gpunet


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe() -> dict[str, str]:
    """Processor, cores, Python and the versions of the libraries that were measured."""
    found = {"cpu": cpu_model(), "cores": str(len(os.sched_getaffinity(0))), "python": platform.python_version()}
    found["gpunet"] = gpunet.__version__  # of the tree that runs, installed or not
    for name in ("numpy", "torch"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def line() -> str:
    """`describe` in one line."""
    return ", ".join(f"{key} {value}" for key, value in describe().items())
