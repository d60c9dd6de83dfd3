"""Runs sections one after the other and writes what they found after each."""

from __future__ import annotations

import argparse
import importlib
import time
import traceback
from pathlib import Path

from benchmarks import report, results
from benchmarks.sections import SECTIONS
from benchmarks.turns import FULL, QUICK, Budget

_QUIET = 0.5  # the load average beyond which figures are doubtful


def budget(options: argparse.Namespace) -> Budget:
    """The quick or the full one, with what was asked for.

    Raises:
        SystemExit: if a number is not positive.
    """
    given = {name: value for name in ("rounds", "turn", "warm") if (value := getattr(options, name)) is not None}
    for name, value in given.items():
        if value <= 0:
            raise SystemExit(f"--{name} must be positive. Received: {value}")
    return (FULL if options.full else QUICK)._replace(**given)


def run(names: list[str], budget: Budget, command: str, output: Path, only: list[str] | None = None) -> int:
    """Measure; sections not run keep the results of a file from before. 1 if something of gpunet's own failed."""
    found = results.new(command)
    path = results.folder_of(found, output) / "bench.json"
    before = results.load(path)["sections"] if path.exists() else {}
    found["sections"] = {name: before[name] for name in SECTIONS if name in before}
    if found["machine"]["load_before"] > _QUIET:
        print(f"The machine is busy (load {found['machine']['load_before']}): threads will wait for each other.")
    failed = False
    for name in ["limits", *(n for n in SECTIONS if n in names and n != "limits")]:
        print(f"\n## {name}: {SECTIONS[name]}\n", flush=True)
        section = run_section(name, budget, only)
        found["sections"][name] = section | {"date": found["date"], "command": command}
        results.save(found, path)
        report.write(found, path.parent)
        print(report.section_text(found, name), flush=True)
        failed |= any("gpunet" in failure or failure == name for failure in section["failures"])
    print(f"\nResults and report in {path.parent}.{' Something of gpunet failed.' if failed else ''}")
    return int(failed)


def run_section(name: str, budget: Budget, only: list[str] | None = None) -> dict:
    """One section's part of the results; its failure is part of it."""
    start = time.perf_counter()
    findings = results.Findings(only)
    try:
        importlib.import_module(f"benchmarks.sections.{name}").run(budget, findings)
    except Exception as error:
        traceback.print_exc()
        findings.failures[name] = f"{type(error).__name__}: {error}"[:500]
    taken = {"title": SECTIONS[name], "seconds": round(time.perf_counter() - start, 1)}
    return taken | {"missing": findings.missing, "failures": findings.failures, "rows": findings.rows}
