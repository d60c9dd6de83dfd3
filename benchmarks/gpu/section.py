"""`python -m benchmarks.gpu.section NAME RESULT`: run one section and write its result as JSON."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from benchmarks.gpu.target import Gpu, find_gpu


class Findings:
    """What a section found: table rows, and one line for every failure.

    It is in the file at `path` at any time, so that a section that dies or is stopped leaves what it had.
    """

    def __init__(self, gpu: Gpu, path: Path):
        self.gpu = gpu
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self.failures: list[str] = []

    def add(self, **row: Any) -> None:
        """Add a row; its columns are the names."""
        self.rows.append(row)
        self.save()

    def check(self, passed: bool, what: str) -> bool:
        """Note a failure unless `passed`."""
        if not passed:
            self._fail(what)
        return passed

    def attempt(self, what: str, function: Any) -> Any:
        """The function's result, or None after noting how it failed, so that the next case runs."""
        try:
            return function()
        except Exception as error:
            traceback.print_exc()
            self._fail(f"{what}: {type(error).__name__}: {error}"[:500])
            return None

    def _fail(self, line: str) -> None:
        self.failures.append(line)
        self.save()

    def save(self) -> None:
        """Write the file anew."""
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps({"rows": self.rows, "failures": self.failures}))
        os.replace(beside, self.path)


def main() -> None:
    name, path, *options = sys.argv[1:]
    with find_gpu("--standin" in options) as gpu:
        findings = Findings(gpu, Path(path))
        module = f"benchmarks.gpu.sections.{name}"
        findings.attempt(name, lambda: importlib.import_module(module).run(gpu, findings))
        findings.save()


if __name__ == "__main__":
    main()
