"""Runs sections one after the other and writes what they found after each."""

from __future__ import annotations

import argparse
import importlib
import traceback
from pathlib import Path
from typing import NamedTuple

from benchmarks import machine, report, results
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


class Choice(NamedTuple):
    """What to measure: sections, of these only some variants, and cases that match a regular expression."""

    sections: list[str]
    only: list[str] | None = None
    cases: str | None = None


def run(choice: Choice, budget: Budget, command: str, output: Path) -> int:
    """Measure; sections and cases not run keep the results of a file from before.

    Returns:
        1 if something of gpunet's own failed, or no case was chosen.
    """
    found = results.new(command)
    path = results.folder_of(found, output) / "bench.json"
    before = results.load(path)["sections"] if path.exists() else {}
    found["sections"] = {name: before[name] for name in SECTIONS if name in before}
    if found["machine"]["load_before"] > _QUIET:
        print(f"The machine is busy (load {found['machine']['load_before']}): threads will wait for each other.")
    if machine.left_out():
        print(f"Left out of the environment, as for other processors: {machine.left_out()}")
    failed, chosen = False, False
    for name in _in_order(choice):
        print(f"\n## {name}: {SECTIONS[name]}\n", flush=True)
        findings = run_section(name, budget, choice)
        if choice.cases is not None and not (findings.rows or findings.failures):
            print(f"no case that matches {choice.cases!r}")
            continue
        chosen = True
        findings.keep(found["sections"].get(name))
        section = findings.section(SECTIONS[name]) | {"date": found["date"], "command": command}
        by_name = found["sections"] | {name: section}
        found["sections"] = {name: by_name[name] for name in SECTIONS if name in by_name}
        results.save(found, path)
        report.write(found, path.parent)
        print(report.section_text(found, name), flush=True)
        failed |= any("gpunet" in failure or failure == name for failure in section["failures"])
    print(f"\nResults and report in {path.parent}.{' Something of gpunet failed.' if failed else ''}")
    return int(failed or not chosen)


def _in_order(choice: Choice) -> list[str]:
    """The machine's limits first, unless single cases are asked for."""
    first = ["limits"] if choice.cases is None or "limits" in choice.sections else []
    return first + [name for name in SECTIONS if name in choice.sections and name != "limits"]


def run_section(name: str, budget: Budget, choice: Choice) -> results.Findings:
    """What one section finds; its failure is part of it."""
    findings = results.Findings(choice.only, choice.cases)
    try:
        importlib.import_module(f"benchmarks.sections.{name}").run(budget, findings)
    except Exception as error:
        traceback.print_exc()
        findings.failures[name] = f"{type(error).__name__}: {error}"[:500]
    return findings
