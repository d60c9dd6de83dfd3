"""`python -m benchmarks.gpu.section NAME RESULT`: run one section and write its result as JSON."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from benchmarks.gpu.target import Gpu, find_gpu


class Findings:
    """What a section found: table rows, and one line for every failure."""

    def __init__(self, gpu: Gpu):
        self.gpu = gpu
        self.rows: list[dict[str, Any]] = []
        self.failures: list[str] = []

    def add(self, **row: Any) -> None:
        """Add a row; its columns are the names."""
        self.rows.append(row)

    def check(self, passed: bool, what: str) -> bool:
        """Note a failure unless `passed`."""
        if not passed:
            self.failures.append(what)
        return passed

    def attempt(self, what: str, function: Any) -> Any:
        """The function's result, or None after noting how it failed, so that the next case runs."""
        try:
            return function()
        except Exception as error:
            traceback.print_exc()
            self.failures.append(f"{what}: {type(error).__name__}: {error}"[:500])
            return None


def main() -> None:
    name, path, *options = sys.argv[1:]
    with find_gpu("--standin" in options) as gpu:
        findings = Findings(gpu)
        module = f"benchmarks.gpu.sections.{name}"
        findings.attempt(name, lambda: importlib.import_module(module).run(gpu, findings))
    Path(path).write_text(json.dumps({"rows": findings.rows, "failures": findings.failures}))


if __name__ == "__main__":
    main()
