"""What share of the primitives has a CUDA kernel that runs emulated, and what share was measured on a GPU."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.gpu.report import FOLDER
from gpunet.backend.report import kernel_share


def emulated() -> str:
    """One line for the emulation."""
    served, missing = kernel_share()
    text = f"CUDA kernels, run emulated: {served} of {served + len(missing)} primitives"
    return f"{text} (CuPy's: {', '.join(missing)})" if missing else text


def measured(folder: Path = FOLDER) -> str:
    """One line for GPUs: the result file with the most primitives, its device and date."""
    served, _ = kernel_share()
    best: tuple[int, str, str] | None = None
    for path in sorted(folder.glob("*/gpu.json")):
        found = json.loads(path.read_text())
        section = found["sections"].get("correctness", {})
        names = {name for row in section.get("rows", []) for name in row.get("kernels", [])}
        if names and not section["failures"]:
            best = max(best or (0, "", ""), (len(names), found["device"], section["date"]))
    if best is None:
        return "CUDA kernels, measured on a GPU: not yet"
    return f"CUDA kernels, measured on a GPU: {best[0]} of {served} primitives ({best[1]}, {best[2]})"


def main() -> None:
    """Print both lines."""
    print(emulated())
    print(measured())
