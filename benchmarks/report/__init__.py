"""The report of a result file: one self-contained HTML page, and Markdown tables for the README."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.report import html, tables

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"
_NAMED = ("numpy", "torch", "jax", "keras", "tinygrad")
_LEGEND = """Medians of alternating turns. The columns from the third on are ratios: time ÷ that of the fastest eager
PyTorch, round by round, with the range. gpunet[cpu] is timed in `fit` where the command has it, else as a recorded
step; – was not measured."""


def section_text(found: dict[str, Any], name: str) -> str:
    """A section's tables, what is missing and what failed, as Markdown."""
    section = found["sections"][name]
    parts = [tables.markdown(table) for table in tables.of_section(found, name)]
    for word, reasons in (("Missing", section["missing"]), ("FAILED", section["failures"])):
        parts += ["\n".join(f"- {word}: {who}: {why}" for who, why in reasons.items())] if reasons else []
    return "\n\n".join([*parts, f"({section['seconds']} s)"])


def write(found: dict[str, Any], folder: Path) -> None:
    """Write `bench.md` and `bench.html`."""
    pages = [f"# {found['machine']['cpu']}\n\nBy `{found['command']}`, {found['date']}.\n"]
    summary = tables.summary(found)
    if summary.rows:
        pages.append(f"## In short\n\n{tables.markdown(summary)}\n")
    pages += [f"## {name}: {s['title']}\n\n{section_text(found, name)}\n" for name, s in found["sections"].items()]
    (folder / "bench.md").write_text("\n".join(pages))
    (folder / "bench.html").write_text(html.page(found))


def origins(section: dict[str, Any]) -> list[tuple[str, str]]:
    """The commands that a section's rows are of, each with its day, in the order of the days."""
    found = {(row.get("date", section["date"]), row.get("command", section["command"])) for row in section["rows"]}
    return [(command, date[:10]) for date, command in sorted(found)]


def readme_block(found: dict[str, Any], path: Path) -> str:
    """What the README says between its marks: the summary, and where, when and how it was measured."""
    machine = found["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if name in _NAMED)
    place = path.resolve().relative_to(README.parent)
    where = f"{machine['cores']} cores of {machine['cpu']}, {versions}"
    steps = found["sections"]["steps"]
    how = " and ".join(f"`{command}`, {date}" for command, date in origins(steps))
    head = f"{how}, {where} ([results]({place.parent})):"
    wrapped = textwrap.fill(head, 120, break_long_words=False, break_on_hyphens=False)
    return f"{BEGIN}\n{wrapped}\n\n{tables.markdown(tables.summary(found))}\n\n{_LEGEND}\n{END}"


def main(*arguments: str) -> int:
    """`python -m benchmarks report FILE [--readme]`: write both beside the file, and print the summary."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks report")
    parser.add_argument("file", type=Path, metavar="FILE", help="a bench.json")
    parser.add_argument("--readme", action="store_true", help="put the summary into README.md, for a file in results/")
    options = parser.parse_args(arguments)
    found = results.load(options.file)
    write(found, options.file.parent)
    print(tables.markdown(tables.summary(found)))
    if options.readme:
        before, _, rest = README.read_text().partition(BEGIN)
        README.write_text(before + readme_block(found, options.file) + rest.partition(END)[2])
    return 0
